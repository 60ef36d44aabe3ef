/**
 * A member of the group: the real state machine inside the smallest possible shell. Its calls to the broker take effect
 * later, in the order they were made, and may fail; its handlers take their time and end as chance will have it.
 */
import type { LaneCommand, LaneEntry, LaneMachine, LaneRequest, Verdict } from '../../src/endpoint/lane/index.ts'
import { decideRetry, Reject, RetryAfter, type RetryPolicy } from '../../src/policy/index.ts'
import type { Delivery, LotLane } from '../../src/transport/index.ts'
import { type Broker, Refused } from './broker.ts'
import type { Judge } from './judge.ts'
import type { SimDelivery, SimMachineMember } from './model.ts'
import type { World } from './world.ts'

type Entry = LaneEntry<string>
type Command = LaneCommand<string>
type Request = LaneRequest<string>

/** What members are like in this run. */
export interface MemberOptions {
  readonly concurrency: number
  readonly windowCount: number
  readonly policy: RetryPolicy
  /** Several of a lane in one call. */
  readonly many: boolean
  /** Longest handler, ms. */
  readonly handlerMsMax: number
  /** Shares of outcomes while faults are on. */
  readonly failShare: number
  readonly retryAfterShare: number
  readonly rejectShare: number
  /** Share of shared messages that this member cannot handle. */
  readonly foreignShare: number
  /** Share of requests that fail while faults are on. */
  readonly requestFailShare: number
  readonly settleFailShare: number
}

const reason = {
  code: 'X',
  message: 'x',
  attempts: 1,
  deliveries: 1,
  firstDeliveredAtMs: 0,
  deadLetteredAtMs: 0,
  service: 's',
  instanceId: 'i',
  fingerprint: 'f',
}

/** Outcome: only others of the group handle this type. */
const foreign: unique symbol = Symbol('foreign')

/** See the header of this file. */
export class Member implements SimMachineMember {
  readonly name: string
  readonly machine: LaneMachine<string>
  /** Killed, or left. */
  gone = false
  readonly running: Set<Entry> = new Set()
  /** Deliveries on their way to it. */
  expected = 0
  readonly #windowCount: number
  readonly #world: World
  readonly #broker: Broker
  readonly #judge: Judge
  readonly #options: MemberOptions
  readonly #faults: () => boolean
  readonly #revoked: Map<string, () => void> = new Map()
  readonly #epochs: Map<string, number> = new Map()
  #windowBefore = 0
  #effectAtMs = 0
  #wakeAtMs = Number.POSITIVE_INFINITY
  #calls = 0
  #leaving = false

  constructor(name: string, machine: LaneMachine<string>, world: World, broker: Broker, judge: Judge, options: MemberOptions, faults: () => boolean) {
    this.name = name
    this.machine = machine
    this.#world = world
    this.#broker = broker
    this.#judge = judge
    this.#options = options
    this.#windowCount = options.windowCount
    this.#faults = faults
  }

  get room(): number {
    return this.#windowCount - this.machine.windowCount
  }

  /** Like `World.after`, for something that happens only while this member lives. */
  after(delayMs: number, run: () => void): void {
    this.#world.after(delayMs, () => {
      if (!this.gone) run()
    })
  }

  // ------------------------------------------------------------------ what the broker tells

  /** Deliveries are on their way; some that were lost meanwhile may still come. */
  expect(deliveries: readonly SimDelivery[]): void {
    this.expected = deliveries.length
    this.after(this.#world.between(0, 2), () => {
      this.expected = 0
      this.arrived(deliveries.filter((delivery) => delivery.state === 'held' || !this.#owns(delivery.partition)))
      this.#broker.pump()
    })
  }

  arrived(deliveries: readonly Delivery[]): void {
    this.#event(() => {
      for (const delivery of deliveries) this.machine.arrive(delivery, 'r')
    })
  }

  /** Late deliveries of an earlier ownership do not come once the partition is ours again. */
  #owns(partition: string): boolean {
    const owned = this.machine.partitions.get(partition)
    return partition === '' || (owned !== undefined && !owned.stopping)
  }

  assigned(partition: string, epoch: number, lanes: readonly LotLane[]): void {
    this.after(0, () => {
      this.#epochs.set(partition, epoch)
      this.#event(() => this.machine.assigned(partition, lanes))
    })
  }

  revoking(partition: string, done: () => void): void {
    this.after(0, () => {
      this.#revoked.set(partition, done)
      this.#event(() => this.machine.revoking(partition))
    })
  }

  lost(partition: string): void {
    this.after(0, () => this.#event(() => this.machine.lost(partition)))
  }

  lostDeliveries(deliveries: readonly SimDelivery[]): void {
    this.after(0, () => this.#event(() => this.machine.lostDeliveries(deliveries)))
  }

  lotChanged(partition: string, lanes: readonly LotLane[]): void {
    this.#world.log(() => `${this.name} hears ${lanes.map((lane) => `${lane.lane} ${lane.state} ${lane.count}`).join(', ')}`)
    this.after(0, () => this.#event(() => this.machine.lotChanged(partition, lanes)))
  }

  settlementLost(deliveries: readonly SimDelivery[]): void {
    this.#world.log(() => `${this.name} hears of lost settlements: ${deliveries.map((delivery) => delivery.copy.index).join(' ')}`)
    this.#event(() => this.machine.settlementLost(deliveries))
  }

  // ------------------------------------------------------------------ life and death

  /** Killed: nothing it asked for and that had no effect yet will have one. */
  kill(): void {
    this.#world.log(() => `${this.name} dies`)
    this.gone = true
  }

  /** Stops in order: drains, gives up waiting after `deadlineMs`, leaves. */
  leave(deadlineMs: number): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#world.log(() => `${this.name} leaves`)
    this.#event(() => this.machine.drain())
    const end = (): void => {
      this.#event(() => this.machine.abandonRunning())
      this.#later(() => {
        this.gone = true
        this.#broker.forget(this, false)
      })
    }
    const look = (leftMs: number): void => {
      if (this.machine.idle || leftMs <= 0) end()
      else this.after(5, () => look(leftMs - 5))
    }
    look(deadlineMs)
  }

  get leaving(): boolean {
    return this.#leaving
  }

  // ------------------------------------------------------------------ the shell

  #event(then: () => void): void {
    if (this.gone) return
    this.machine.setTime(this.#world.nowMs, this.#world.wallMs)
    then()
    this.#turn()
  }

  #turn(): void {
    while (this.#calls < this.#options.concurrency) {
      const entry = this.machine.take()
      if (entry === undefined) break
      const run = [entry]
      while (this.#options.many && run.length < 3) {
        const next = this.machine.takeSuccessor(entry)
        if (next === undefined) break
        run.push(next)
      }
      this.#call(run)
    }
    this.#flush()
    this.#judge.look(this)
    if (this.machine.windowCount < this.#windowBefore) this.#broker.pump()
    this.#windowBefore = this.machine.windowCount
    const wakeMs = this.machine.nextWakeMs
    if (wakeMs >= this.#wakeAtMs) return
    this.#wakeAtMs = wakeMs
    this.after(Math.max(0, wakeMs - this.#world.nowMs), () => {
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      this.#event(() => undefined)
    })
  }

  #call(run: readonly Entry[]): void {
    this.#calls++
    for (const entry of run) {
      this.#judge.started(this, entry, run)
      this.running.add(entry)
    }
    const tookMs = this.#world.chance(0.4) ? 0 : this.#world.between(1, this.#options.handlerMsMax)
    const outcomes = run.map((entry) => this.#outcome(entry))
    if (tookMs === 0) this.#returned(run, outcomes)
    else this.after(tookMs, () => this.#event(() => this.#returned(run, outcomes)))
  }

  #outcome(entry: Entry): unknown {
    const { copy } = entry.delivery as SimDelivery
    if (copy.poison) return new Error('poison')
    if (!this.#faults()) return undefined
    const { failShare, retryAfterShare, rejectShare, foreignShare } = this.#options
    if (entry.delivery.partition === '' && this.#world.chance(foreignShare)) return foreign
    if (this.#world.chance(failShare)) return new Error('failed')
    if (this.#world.chance(retryAfterShare)) return new RetryAfter(this.#world.between(1, 300))
    return this.#world.chance(rejectShare) ? new Reject('rejected') : undefined
  }

  #returned(run: readonly Entry[], outcomes: readonly unknown[]): void {
    this.#calls--
    for (const [index, entry] of run.entries()) {
      this.running.delete(entry)
      const error = outcomes[index]
      const decides = this.machine.decides(entry)
      const verdict = this.#verdict(entry, error)
      this.#judge.ended(this, entry, decides ? verdict : { kind: 'putBack' })
      this.machine.finish(entry, decides ? verdict : { kind: 'putBack' })
    }
  }

  #verdict(entry: Entry, error: unknown): Verdict {
    if (error === undefined) return { kind: 'accept' }
    if (error === foreign) return { kind: 'release' }
    const decision = decideRetry(this.#options.policy, entry, error, this.#world.wallMs, this.#world.random)
    return decision.kind === 'retry' ? decision : { kind: 'giveUp', reason }
  }

  #flush(): void {
    const { machine } = this
    const accepts = machine.accepts as SimDelivery[]
    const releases = machine.releases as SimDelivery[]
    machine.accepts = []
    machine.releases = []
    if (accepts.length > 0) {
      const fails = this.#faults() && this.#world.chance(this.#options.settleFailShare)
      this.#later(() => (fails ? this.#broker.loseSettlement(accepts) : this.#broker.accept(accepts)))
    }
    if (releases.length > 0) this.#later(() => this.#broker.release(releases))
    for (const command of machine.commands.splice(0)) this.#execute(command)
  }

  #execute(command: Command): void {
    if (command.kind === 'abort') return
    if (command.kind === 'revoked') {
      const done = this.#revoked.get(command.partition)
      this.#revoked.delete(command.partition)
      if (done === undefined) this.#world.violation(`${this.name} says revoked ${command.partition}, which nobody asked for`)
      else this.#later(done)
      return
    }
    if (!this.machine.isWanted(command)) return
    this.#judge.requested(this, command)
    const fails = this.#faults() && this.#world.chance(this.#options.requestFailShare)
    const epoch = this.#epochs.get(command.lane.partition.name) ?? 0
    this.#later(() => {
      let read: readonly Delivery[] | undefined
      let refused = fails
      try {
        if (!fails) read = this.#apply(command, epoch)
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        refused = true
      }
      if (refused && command.kind === 'record') (command.record.delivery as SimDelivery).copy.excused++
      this.#world.log(() => `${this.name} ${command.kind} ${command.lane.name} ${refused ? 'failed' : 'done'}`)
      this.after(this.#world.between(0, 5), () =>
        this.#event(() => {
          this.#judge.answered(this, command)
          // SPI: a read whose deliveries were lost meanwhile rejects.
          if (read?.some((delivery) => (delivery as SimDelivery).state !== 'held') === true) {
            this.#broker.release(read as SimDelivery[])
            refused = true
          }
          if (refused) this.machine.failed(command)
          else this.machine.done(command, read)
        }),
      )
    })
  }

  #apply(request: Request, epoch: number): readonly Delivery[] | undefined {
    const { lane } = request
    if (request.kind === 'record') this.#broker.record([request.record])
    else if (request.kind === 'deadLetter') this.#broker.deadLetter({ delivery: request.delivery, lane: lane.name, reason: request.reason, mode: request.mode })
    else if (request.kind === 'move') {
      const deliveries = request.entries.map((entry) => entry.delivery)
      this.#broker.move(lane.name, deliveries, request.state, request.first)
    } else if (request.kind === 'reschedule') this.#broker.reschedule(this, lane.partition.name, epoch, lane.name, request.dueAtMs, request.head)
    else return this.#broker.read(this, lane.partition.name, epoch, lane.name, request.countMax)
    return undefined
  }

  /** Calls take effect in the order they were made, a little later. */
  #later(effect: () => void): void {
    this.#effectAtMs = Math.max(this.#world.nowMs + this.#world.between(0, 4), this.#effectAtMs)
    this.after(this.#effectAtMs - this.#world.nowMs, effect)
  }
}
