/** A simulated process: a real bus over the real engine, on the simulated machine. It can die, freeze, leave, and ask for administration. */
import {
  type BatchEntry,
  type BatchOptions,
  type Bus,
  connect,
  type EventContract,
  event,
  channel as makeChannel,
  Reject,
  RetryAfter,
  type RetryPolicy,
  typed,
} from '@sluice/core'
import type { Timer, Transport, TransportAdmin, TransportFactory } from '@sluice/core/transport'
import { BusFile } from '../../src/bus-file.ts'
import { FileTransport } from '../../src/file-transport.ts'
import { embeddedOptions } from '../../src/options.ts'
import type { EventLoop } from './event-loop.ts'
import type { AdminKind, Judge, JudgedProcess, Sent } from './judge.ts'
import type { MachineProcess, SimMachine } from './machine.ts'

/** A group of the run, and how its members behave. */
export interface GroupPlan {
  readonly name: string
  readonly order: 'key' | 'channel' | 'none'
  readonly onDeadLetter: 'park' | 'continue'
  readonly concurrency: number
  readonly concurrencyScope: 'process' | 'group'
  readonly retry: Partial<RetryPolicy> & { readonly attempts: number }
  readonly handlerMsMax: number
  readonly failShare: number
  readonly rejectShare: number
  readonly retryAfterShare: number
  /** Messages in batches; `many`: several of a lane in one. */
  readonly batch: (BatchOptions & { readonly perLane: 'one' | 'many' }) | undefined
}

/** What all processes of the run have in common. */
export interface ProcessPlan {
  readonly groups: readonly GroupPlan[]
  readonly leaseMs: number
  readonly holdMaxMs: number
  readonly windowCountMax: number
  readonly retentionBytes: number
  readonly keepForGroups: boolean
}

interface Order {
  readonly n: number
}

/** See the header of this file. */
export class SimProcess implements JudgedProcess, MachineProcess {
  readonly name: string
  readonly backlog: (() => void)[] = []
  readonly admin: Set<AdminKind> = new Set()
  instanceId = ''
  dead = false
  thawedAtMs: number = Number.NEGATIVE_INFINITY
  frozen = false
  leaving = false
  left = false
  started = false
  #bus: Bus | undefined
  #administration: TransportAdmin | undefined
  #calls = 0
  readonly #loop: EventLoop
  readonly #machine: SimMachine
  readonly #judge: Judge
  readonly #plan: ProcessPlan
  readonly #faults: () => boolean
  readonly #contracts: readonly EventContract<Order, Order>[]

  constructor(name: string, loop: EventLoop, machine: SimMachine, judge: Judge, plan: ProcessPlan, partitions: number, faults: () => boolean) {
    this.name = name
    this.#loop = loop
    this.#machine = machine
    this.#judge = judge
    this.#plan = plan
    this.#faults = faults
    this.#contracts = contractsOf(partitions, plan)
  }

  get running(): boolean {
    return this.started && !this.dead && !this.leaving
  }

  die(how: string): void {
    this.#loop.log(() => `${this.name} dies ${how}`)
    this.dead = true
    this.#judge.died(this)
  }

  freeze(forMs: number): Timer {
    this.#loop.log(() => `${this.name} freezes for ${forMs} ms`)
    this.frozen = true
    return this.#loop.after(undefined, forMs, () => {
      this.#loop.log(() => `${this.name} goes on`)
      this.frozen = false
      this.thawedAtMs = this.#loop.nowMs
      this.#loop.thawed(this)
    })
  }

  /** Opens the bus and joins these groups, for all types or the first only; tries again after a failure, as a supervisor would. */
  start(groups: readonly string[], allTypes: boolean): void {
    this.#loop.after(this, 0, () => {
      this.#open(groups, allTypes).then(
        () => {
          this.started = true
        },
        (error: unknown) => {
          if (this.dead) return
          this.#loop.log(() => `${this.name} cannot start: ${String(error)}`)
          this.#loop.after(this, 100, () => this.start(groups, allTypes))
        },
      )
    })
  }

  async #open(groups: readonly string[], allTypes: boolean): Promise<void> {
    const { leaseMs, holdMaxMs, windowCountMax } = this.#plan
    const transport: TransportFactory = {
      schemes: ['simulated'],
      open: async (_, given) => {
        const context = { ...given, clock: this.#loop.clockOf(this) }
        this.instanceId = context.instanceId
        this.#judge.born(this)
        const bus = await BusFile.open(this.#machine.path, context, embeddedOptions(context), this.#machine.syncCalls(this), this.#machine.openBell(this))
        const opened = FileTransport.over(bus)
        this.#administration = opened.admin
        return this.#overheard(opened)
      },
    }
    const said =
      (level: string) =>
      (fields: unknown, message?: string): void =>
        this.#loop.log(() => `${this.name} ${level}: ${message ?? ''} ${JSON.stringify(fields)}`)
    const logger = { debug: said('debug'), info: () => undefined, warn: said('warns'), error: said('reports') }
    await this.#bus?.stop({ deadlineMs: 0 }).catch(() => undefined)
    const bus = await connect({
      service: 'simulation',
      url: 'simulated:',
      transports: [transport],
      sqlite: () => this.#machine.connect(this),
      transportOptions: { embedded: { leaseMs, partitions: 2 } },
      clock: this.#loop.clockOf(this),
      random: this.#loop.random,
      logger: this.#loop.trace === undefined ? false : logger,
      holdMaxMs,
      limits: { windowCountMax },
    })
    this.#bus = bus
    for (const group of this.#plan.groups) {
      if (!groups.includes(group.name)) continue
      const { name, order, onDeadLetter, concurrency, concurrencyScope, retry, batch } = group
      const contracts = allTypes ? this.#contracts : this.#contracts.slice(0, 1)
      const options = {
        ...{ group: name, order, concurrency, concurrencyScope, retry, killSwitch: false as const },
        ...(order === 'none' ? {} : { onDeadLetter }),
      }
      if (batch === undefined) bus.on(contracts, (_, { message, attempt }) => this.#handle(group, message.id, attempt), options)
      else bus.on(contracts, (entries) => this.#handleBatch(group, entries), { ...options, batch })
    }
    await bus.start()
  }

  /** What the engine tells the core of partitions, the judge hears, too. */
  #overheard(opened: FileTransport): Transport {
    const told = (group: string, partition: string, owned: boolean): void => this.#judge.told(this, group, partition, owned)
    return {
      facts: opened.facts,
      admin: opened.admin,
      declare: (topology) => opened.declare(topology),
      send: (batch, options) => opened.send(batch, options),
      close: () => opened.close(),
      consume: (subscription, observer) =>
        opened.consume(subscription, {
          assigned: (partition, lanes) => {
            told(subscription.group, partition, true)
            observer.assigned(partition, lanes)
          },
          revoking: (partition) => {
            told(subscription.group, partition, false)
            return observer.revoking(partition)
          },
          lost: (partition) => {
            told(subscription.group, partition, false)
            observer.lost(partition)
          },
          lostDeliveries: (deliveries) => observer.lostDeliveries(deliveries),
          lotChanged: (partition, lanes) => observer.lotChanged(partition, lanes),
          paused: (paused) => observer.paused(paused),
          settlementLost: (deliveries, error) => observer.settlementLost(deliveries, error),
        }),
    }
  }

  #handle(group: GroupPlan, id: string, attempt: number): Promise<void> | undefined {
    const running = this.#judge.started(this, group.name, id, attempt)
    const end = (): void => {
      const failure = this.#faults() ? this.#failure(group) : undefined
      this.#judge.ended(group.name, running, failure === undefined, !(failure instanceof RetryAfter))
      if (failure !== undefined) throw failure
    }
    const delayMs = this.#loop.random() * group.handlerMsMax
    if (delayMs < 1) {
      end()
      return undefined
    }
    return new Promise<void>((resolve) => void this.#loop.after(this, delayMs, resolve)).then(end)
  }

  async #handleBatch(group: GroupPlan, entries: readonly BatchEntry[]): Promise<void> {
    const runs = entries.map(({ message, attempt }) => this.#judge.started(this, group.name, message.id, attempt))
    const delayMs = this.#loop.random() * group.handlerMsMax
    if (delayMs >= 1) await new Promise<void>((resolve) => void this.#loop.after(this, delayMs, resolve))
    // The later ones of its lane fail with one that fails.
    const failed = new Set<string | undefined>()
    for (const [index, entry] of entries.entries()) {
      const lane = group.order === 'channel' ? 'channel' : group.order === 'key' ? entry.key : undefined
      const failure = this.#faults() ? this.#failure(group) : undefined
      const behind = lane !== undefined && failed.has(lane)
      if (failure !== undefined) failed.add(lane)
      this.#judge.ended(group.name, runs[index], failure === undefined && !behind, !behind && !(failure instanceof RetryAfter))
      if (failure !== undefined) entry.fail(failure)
    }
  }

  #failure({ failShare, rejectShare, retryAfterShare }: GroupPlan): unknown {
    if (this.#loop.chance(rejectShare)) return new Reject('not wanted')
    if (this.#loop.chance(retryAfterShare)) return new RetryAfter(this.#loop.between(0, 300))
    return this.#loop.chance(failShare) ? new Error('failed') : undefined
  }

  publish(count: number, keyOf: () => string | undefined, delayMs: number): void {
    this.#loop.after(this, 0, () => {
      for (let i = 0; i < count; i++) this.#publish(keyOf(), delayMs)
    })
  }

  #publish(key: string | undefined, delayMs: number): void {
    const bus = this.#bus
    if (bus === undefined) return
    const call = ++this.#calls
    const contract = this.#loop.pick(this.#contracts) as EventContract<Order, Order>
    const sent: Sent = {
      id: `${this.name}-${call}`,
      type: contract.name,
      key,
      producer: this.name,
      call,
      dueMs: delayMs === 0 ? 0 : this.#loop.wallMs + delayMs,
      state: 'open',
    }
    this.#judge.sending(sent)
    const ended = (state: Sent['state']): void => {
      if (!this.dead) sent.state = state
    }
    bus.publish(contract, { n: call }, { id: sent.id, ...(key === undefined ? {} : { key }), ...(delayMs === 0 ? {} : { delayMs }) }).then(
      () => ended('confirmed'),
      (error: unknown) => ended(error instanceof Error && 'code' in error && error.code === 'PUBLISH_UNKNOWN' ? 'unknown' : 'failed'),
    )
  }

  administer(kind: AdminKind, group: string): void {
    const sinceMs = this.#loop.wallMs - this.#loop.between(0, 3_000)
    this.#ask(kind, (admin) => {
      if (kind === 'replay') return admin.replay('sim', group, sinceMs, undefined)
      if (kind === 'purge') return admin.purge('sim', group)
      return kind === 'redrive' ? admin.redrive('sim', group, {}) : admin.discard('sim', group, { limit: 2 })
    })
  }

  setPaused(group: string, paused: boolean): void {
    this.#ask(undefined, (admin) => admin.setPaused('sim', group, paused))
  }

  #ask(kind: AdminKind | undefined, call: (admin: TransportAdmin) => Promise<unknown>): void {
    this.#loop.after(this, 0, () => {
      const admin = this.#administration
      if (admin === undefined || (kind !== undefined && this.admin.has(kind))) return
      if (kind !== undefined) this.admin.add(kind)
      this.#loop.log(() => `${this.name} is asked to ${kind ?? 'pause or resume'}`)
      const ended = (): void => {
        if (kind !== undefined) this.admin.delete(kind)
      }
      call(admin).then(ended, ended)
    })
  }

  /** Compares the figures that `inspect` shows with what is so. */
  inspect(): void {
    this.#loop.after(this, 0, () => {
      void this.#administration?.groups('sim').then(
        (rows) => {
          for (const { group, backlog } of rows)
            if (!this.dead && backlog !== this.#judge.backlog(group))
              this.#loop.violation(`${group} shows a backlog of ${backlog}, it is ${this.#judge.backlog(group)}`)
        },
        () => undefined,
      )
    })
  }

  leave(): void {
    if (this.leaving) return
    this.leaving = true
    this.#loop.after(this, 0, () => {
      this.#loop.log(() => `${this.name} leaves`)
      const left = (): void => {
        this.left = true
      }
      if (this.#bus === undefined) left()
      else this.#bus.stop({ deadlineMs: 500 }).then(left, left)
    })
  }
}

/** Two types on one channel. */
function contractsOf(partitions: number, { retentionBytes: maxBytes, keepForGroups }: ProcessPlan): readonly EventContract<Order, Order>[] {
  const channel = makeChannel('sim', { partitions, retention: { maxBytes, keepForGroups } })
  return ['sim.placed', 'sim.paid'].map((name) => event(name, typed<Order>(), { channel }))
}
