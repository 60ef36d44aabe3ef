/**
 * A member that is the real group runner: dispatcher, time-outs, batches, stall watch and all, over a simulated consumer,
 * with a simulated clock. It can die, leave, pause and freeze (its events wait, as under SIGSTOP).
 */
import type { Clock, Timer } from '../../../src/clock/index.ts'
import { createGroupRunner, type GroupRunner, type GroupRunnerOptions, type HandlerBinding } from '../../../src/endpoint/dispatch/index.ts'
import type { LaneEntry } from '../../../src/endpoint/lane/index.ts'
import { Reject, RetryAfter, type RetryPolicy } from '../../../src/policy/index.ts'
import type { ConsumerObserver, LotLane, Transport, TransportFacts } from '../../../src/transport/index.ts'
import type { Broker } from '../broker.ts'
import type { Judge } from '../judge.ts'
import type { SimDelivery, SimMember } from '../model.ts'
import type { World } from '../world.ts'
import { type ConsumerFaults, SimConsumer } from './consumer.ts'
import type { EventLoop, SimProcess } from './event-loop.ts'

type Entry = LaneEntry<string>

/** What members are like in this run. */
export interface ShellOptions extends ConsumerFaults {
  readonly concurrency: number
  readonly windowCount: number
  readonly order: 'key' | 'channel' | 'none'
  readonly onDeadLetter: 'park' | 'continue'
  readonly holdMaxMs: number
  readonly lot: boolean
  readonly policy: RetryPolicy
  readonly batch: HandlerBinding['batch']
  readonly timeoutMs: number | undefined
  readonly handlerMsMax: number
  /** Shares of outcomes while things break. */
  readonly failShare: number
  readonly retryAfterShare: number
  readonly rejectShare: number
  /** Share of handlers that ignore their aborted signal. */
  readonly stubbornShare: number
  readonly filterShare: number
  readonly rateLimit: GroupRunnerOptions['rateLimit']
}

const facts = { handlingMsMax: Number.POSITIVE_INFINITY, takeOverMs: 3_000, publishOrder: 'kept', attempts: 'exact' }
const stallMs = 6 * 3_600_000

/** See the header of this file. */
export class ShellMember implements SimMember, SimProcess {
  readonly name: string
  gone = false
  readonly running: Set<Entry> = new Set()
  readonly epochs: Map<string, number> = new Map()
  expected = 0
  readonly runner: GroupRunner
  readonly #world: World
  readonly #broker: Broker
  readonly #judge: Judge
  readonly #loop: EventLoop
  readonly #options: ShellOptions
  readonly #faults: () => boolean
  readonly #consumer: SimConsumer
  #observer: ConsumerObserver | undefined
  #frozenUntilMs = 0
  #frozeMs = 0
  readonly #frozen: (() => void)[] = []
  #paused = false
  #calls = 0
  #leaving = false

  constructor(name: string, world: World, loop: EventLoop, broker: Broker, judge: Judge, options: ShellOptions, faults: () => boolean) {
    this.name = name
    this.#world = world
    this.#loop = loop
    this.#broker = broker
    this.#judge = judge
    this.#options = options
    this.#faults = faults
    this.#consumer = new SimConsumer(world, broker, this, options.lot, () => (faults() ? options : undefined))
    this.runner = createGroupRunner(this.#runnerOptions())
  }

  /** Joins the group: as the process itself. */
  start(): void {
    this.after(0, () => void this.runner.start())
  }

  get room(): number {
    return this.#consumer.pending?.countMax ?? 0
  }

  /** Back from a freeze too short to be noticed: what it lost meanwhile it may hear of a moment too late. */
  get unaware(): boolean {
    return this.#frozeMs > 0 && this.#frozeMs < facts.takeOverMs / 3
  }

  get leaving(): boolean {
    return this.#leaving
  }

  after(delayMs: number, run: () => void): void {
    this.#world.after(Math.max(0, delayMs), () => {
      if (this.gone) return
      if (this.#world.nowMs < this.#frozenUntilMs || this.#frozen.length > 0) this.#frozen.push(run)
      else this.#execute(run)
    })
  }

  #execute(run: () => void): void {
    this.#loop.as(this, run)
    this.#look()
  }

  /** What waited while the member was frozen happens in its order, one after the other. */
  #thaw(): void {
    if (this.gone || this.#world.nowMs < this.#frozenUntilMs) return
    const run = this.#frozen.shift()
    if (run === undefined) {
      this.#frozeMs = 0
      return
    }
    this.#execute(run)
    this.#world.after(0, () => this.#thaw())
  }

  // ------------------------------------------------------------------ what the broker tells

  expect(deliveries: readonly SimDelivery[]): void {
    this.expected = deliveries.length
    this.after(this.#world.between(0, 2), () => {
      this.expected = 0
      const pending = this.#consumer.pending
      const held = deliveries.filter((delivery) => delivery.state === 'held')
      if (held.length === 0 || pending === undefined) {
        this.#broker.release(held)
        this.#broker.pump()
        return
      }
      this.#consumer.pending = undefined
      pending.resolve(held)
    })
  }

  assigned(partition: string, epoch: number, lanes: readonly LotLane[]): void {
    this.after(0, () => {
      this.#world.log(() => `${this.name} is told: assigned ${partition}, ${lanes.map((lane) => `${lane.lane} ${lane.state} ${lane.count}`).join(', ')}`)
      this.epochs.set(partition, epoch)
      this.#observer?.assigned(partition, lanes)
    })
  }

  revoking(partition: string, done: () => void): void {
    this.after(0, () => {
      const epoch = this.epochs.get(partition)
      this.#observer?.revoking(partition).then(() => {
        for (const entry of this.running) {
          if (this.epochs.get(partition) !== epoch) break
          const delivery = entry.delivery as SimDelivery
          if (delivery.partition === partition && delivery.state === 'held' && !delivery.left)
            this.#world.violation(`${this.name} hands ${partition} over while it runs ${delivery.copy.index}`)
        }
        this.after(this.#world.between(0, 3), done)
      })
    })
  }

  lost(partition: string): void {
    this.after(0, () => {
      this.#world.log(() => `${this.name} is told: lost ${partition}`)
      this.#observer?.lost(partition)
    })
  }

  lostDeliveries(deliveries: readonly SimDelivery[]): void {
    this.after(0, () => this.#observer?.lostDeliveries(deliveries))
  }

  lotChanged(partition: string, lanes: readonly LotLane[]): void {
    this.after(0, () => {
      this.#world.log(() => `${this.name} is told: ${lanes.map((lane) => `${lane.lane} ${lane.state} ${lane.count}`).join(', ')}`)
      this.#observer?.lotChanged(partition, lanes)
    })
  }

  settlementLost(deliveries: readonly SimDelivery[]): void {
    this.#observer?.settlementLost(deliveries, new Error('lost') as never)
  }

  // ------------------------------------------------------------------ life and death

  kill(): void {
    this.#world.log(() => `${this.name} dies`)
    this.gone = true
  }

  /** Stops: what it runs longer than the deadline is released. */
  leave(deadlineMs: number): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#world.log(() => `${this.name} leaves within ${deadlineMs} ms`)
    this.after(0, () => void this.runner.stop({ deadlineMs }))
  }

  freeze(forMs: number): void {
    this.#world.log(() => `${this.name} is frozen for ${forMs} ms`)
    this.#frozeMs += forMs
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, this.#world.nowMs + forMs)
    this.#world.after(this.#frozenUntilMs - this.#world.nowMs, () => this.#thaw())
  }

  pause(paused: boolean): void {
    this.after(0, () => {
      this.#paused = paused
      if (paused) this.runner.pause()
      else this.runner.resume()
    })
  }

  // ------------------------------------------------------------------ the runner's surroundings

  #runnerOptions(): GroupRunnerOptions {
    const { order, concurrency, windowCount, onDeadLetter, holdMaxMs, lot, rateLimit } = this.#options
    const transport = {
      facts: { ...facts, parkingLot: lot ? 'durable' : 'none' } as unknown as TransportFacts,
      admin: { groups: async () => [] },
      consume: async (_: unknown, observer: ConsumerObserver) => {
        this.#observer = observer
        this.after(0, () => this.#broker.assignFree())
        return this.#consumer
      },
    } as unknown as Transport
    return {
      transport,
      subscription: { channel: 'c', group: 'g', from: 'start', order, ephemeral: false, kind: 'events', types: ['t'], windowCount, windowBytes: 1e9 },
      bindings: [this.#binding()],
      concurrency,
      onDeadLetter: lot ? onDeadLetter : 'continue',
      onNewerVersion: 'hold',
      rateLimit,
      holdMaxMs,
      unhandled: 'skip',
      stallMs,
      clock: this.#clock(),
      random: this.#world.random,
      service: 's',
      instanceId: this.name,
      report: (event) => {
        if (event.message.startsWith('stall:')) this.#world.violation(`${this.name} stands still: ${event.message}`)
        this.#world.log(() => `${this.name} reports ${event.message}`)
      },
    }
  }

  #clock(): Clock {
    const world = this.#world
    return {
      nowMs: () => world.wallMs,
      monotonicMs: () => world.nowMs,
      setTimer: (delayMs, callback): Timer => {
        let cancelled = false
        this.after(delayMs, () => {
          if (!cancelled) callback()
        })
        return {
          cancel: () => {
            cancelled = true
          },
        }
      },
    }
  }

  #binding(): HandlerBinding {
    const { policy, batch, timeoutMs, filterShare } = this.#options
    return {
      types: ['t'],
      retry: policy,
      timeoutMs,
      batch,
      accepts: (delivery) => {
        const { copy } = delivery as SimDelivery
        if (filterShare === 0 || copy.index % 10 !== 0) return true
        copy.successes++
        copy.hasOutcome = true
        return false
      },
      prepare: (delivery) => delivery,
      run: (entries, call) => this.#run(entries as unknown as readonly Entry[], () => call.signal),
    }
  }

  // ------------------------------------------------------------------ handlers

  #run(run: readonly Entry[], signal: () => AbortSignal): undefined | Promise<void> {
    if (this.gone) return undefined
    if (this.#paused) this.#world.violation(`${this.name} starts a handler while it is paused`)
    this.#calls++
    if (this.#calls > this.#options.concurrency) this.#world.violation(`${this.name} runs ${this.#calls} handlers, ${this.#options.concurrency} allowed`)
    for (const entry of run) {
      const { copy, partition } = entry.delivery as SimDelivery
      this.#judge.started(this, entry, run)
      if (this.#options.batch === undefined && run.length > 1) this.#world.violation(`${run.length} entries in one call`)
      this.#world.log(() => `  of ${partition}, handler call ${this.#calls} (message ${copy.index})`)
      this.running.add(entry)
    }
    const outcomes = run.map((entry) => this.#outcome(entry))
    const tookMs = this.#world.chance(0.3) ? 0 : this.#world.between(1, this.#options.handlerMsMax)
    if (tookMs === 0 && this.#world.chance(0.5)) {
      this.#ended(run, outcomes)
      this.#fail(run, outcomes)
      return undefined
    }
    const stubborn = this.#world.chance(this.#options.stubbornShare)
    const aborted = signal()
    return new Promise<void>((resolve, reject) => {
      let over = false
      const end = (): void => {
        if (over) return
        over = true
        const failure = this.#ended(run, aborted.aborted ? run.map(() => aborted.reason) : outcomes)
        if (failure !== undefined && run.length === 1) reject(failure)
        else {
          this.#fail(run, outcomes)
          resolve()
        }
      }
      this.after(stubborn ? tookMs + 20_000 : tookMs, end)
      aborted.addEventListener('abort', () => {
        if (!stubborn) this.after(this.#world.between(0, 20), end)
        else {
          // Left to itself after its grace: from then on it may overlap with its own retry.
          for (const entry of run) (entry.delivery as SimDelivery).left = true
          this.#leave(run)
        }
      })
    })
  }

  #fail(run: readonly Entry[], outcomes: readonly unknown[]): void {
    if (run.length === 1 && outcomes[0] !== undefined) throw outcomes[0]
    for (const [index, entry] of run.entries()) if (outcomes[index] !== undefined) entry.failure = { error: outcomes[index] }
  }

  #outcome(entry: Entry): unknown {
    const { copy } = entry.delivery as SimDelivery
    if (copy.poison) return new Error('poison')
    if (!this.#faults()) return undefined
    const { failShare, retryAfterShare, rejectShare } = this.#options
    if (this.#world.chance(failShare)) return new Error('failed')
    if (this.#world.chance(retryAfterShare)) return new RetryAfter(this.#world.between(1, 300))
    return this.#world.chance(rejectShare) ? new Reject('rejected') : undefined
  }

  /** The call is left to itself: counted as not running any more, its attempt as failed. */
  #leave(run: readonly Entry[]): void {
    for (const [index, entry] of run.entries()) {
      if (!this.running.delete(entry)) continue
      const behind = run.slice(0, index).some((other) => other.lane === entry.lane)
      this.#judge.ended(this, entry, behind ? { kind: 'putBack' } : { kind: 'retry', delayMs: 0, counted: true })
    }
    this.#calls--
  }

  /** Books the outcomes; returns the failure of a call with one entry. */
  #ended(run: readonly Entry[], outcomes: readonly unknown[]): unknown {
    let counted = false
    // With several of a lane in a call, a failure sends the later ones of its lane back, uncounted.
    const failedLanes = new Set<unknown>()
    for (const [index, entry] of run.entries()) {
      if (!this.running.delete(entry)) continue
      counted = true
      const error = outcomes[index]
      const delivery = entry.delivery as SimDelivery
      const behind = failedLanes.has(entry.lane)
      if (error !== undefined) failedLanes.add(entry.lane)
      if (behind) this.#judge.ended(this, entry, { kind: 'putBack' })
      else if (error === undefined) this.#judge.ended(this, entry, { kind: 'accept' })
      else if (entry.lost || delivery.state !== 'held' || isRelease(error)) this.#judge.ended(this, entry, { kind: 'putBack' })
      else if (error instanceof RetryAfter) this.#judge.ended(this, entry, { kind: 'retry', delayMs: error.delayMs, counted: false })
      else this.#judge.ended(this, entry, { kind: 'retry', delayMs: this.#shortestDelayMs(entry, error), counted: true })
    }
    if (counted) this.#calls--
    return outcomes[0]
  }

  #shortestDelayMs(entry: Entry, error: unknown): number {
    if (error instanceof Reject || entry.attempt >= this.#options.policy.attempts) return 0
    const { minDelayMs, maxDelayMs } = this.#options.policy
    return Math.round(Math.min(maxDelayMs, minDelayMs * 2 ** (entry.attempt - 1)) / 2)
  }

  #look(): void {
    const { window, held, inFlight } = this.runner.stats
    const { windowCount, concurrency, batch } = this.#options
    const lotMax = Math.max(1, Math.floor(windowCount / 4))
    if (window < 0 || window > windowCount + lotMax) this.#world.violation(`${this.name} has ${window} deliveries, ${windowCount} and ${lotMax} allowed`)
    if (held < 0 || inFlight < 0 || inFlight > (concurrency + 1) * (batch?.size ?? 1)) this.#world.violation(`${this.name} counts ${inFlight} in flight`)
  }

  /** At the end nothing is left here. */
  final(): void {
    const { window, held, inFlight } = this.runner.stats
    if (window !== 0 || held !== 0 || inFlight !== 0) this.#world.violation(`${this.name} is not empty: window ${window}, held ${held}, in flight ${inFlight}`)
  }
}

/** Aborted because it was lost or the member stops: no attempt is counted. */
function isRelease(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'LEASE_LOST' || error.code === 'BUS_STOPPED')
}
