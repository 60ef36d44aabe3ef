import type { Clock, Random } from '../../clock/index.ts'
import { type RetryPolicy, retryDefaults, retryPolicy } from '../../policy/index.ts'
import type { GroupDeclaration, Topology, TransportReport } from '../../transport/index.ts'
import type { Route } from '../bus/route.ts'
import { createGroupRunner, type GroupRunner } from '../dispatch/index.ts'
import type { RouteNeeds } from '../guarantee/needs.ts'
import type { ContractBinding } from './contract-binding.ts'
import { checkNoSecondHandler, type GroupSettings, settleGroup } from './group-settings.ts'
import type { Registration } from './registration.ts'

/** What all groups of a bus share. */
export interface HandlerGroupParts {
  readonly clock: Clock
  readonly random: Random
  readonly service: string
  readonly instanceId: string
  readonly holdMaxMs: number
  readonly windowCountMax: number | undefined
  readonly windowBytesMax: number
  /** What the channel needs to exist (partitions, retention, groups of its contracts). */
  topologyOf(channel: string): Topology
  bind(registration: Registration, channel: string, group: string, retry: RetryPolicy, route: Route, holdsNewer: boolean): ContractBinding
  report(event: TransportReport): void
}

const longestStopMs = 30_000

/**
 * The handlers of one (channel, group) in this process. They share lanes, so one runner drives them all; when a handler
 * is added or stopped while it runs, the runner drains and a new one takes over.
 */
export class HandlerGroup {
  readonly route: Route
  readonly channel: string
  readonly group: string
  readonly #parts: HandlerGroupParts
  #registrations: readonly Registration[] = []
  #runner: GroupRunner | undefined
  #paused = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(route: Route, channel: string, group: string, parts: HandlerGroupParts) {
    this.route = route
    this.channel = channel
    this.group = group
    this.#parts = parts
  }

  get registrations(): readonly Registration[] {
    return this.#registrations
  }

  /** @throws SluiceError CONTRACT_CONFLICT, and then nothing is changed. */
  add(registration: Registration): void {
    const all = [...this.#registrations, registration]
    checkNoSecondHandler(this.channel, this.group, all)
    settleGroup(this.channel, this.group, all)
    this.#registrations = all
  }

  remove(registration: Registration): void {
    this.#registrations = this.#registrations.filter((one) => one !== registration)
  }

  /** Longest wait held in memory: an unsettled message must be far from being taken back. */
  get #holdMaxMs(): number {
    return Math.min(this.#parts.holdMaxMs, Math.floor(this.route.transport.facts.handlingMsMax / 3))
  }

  needs(): RouteNeeds {
    const settings = settleGroup(this.channel, this.group, this.#registrations)
    const contracts = this.#registrations.flatMap((one) => one.contracts.filter((contract) => contract.channel === this.channel))
    return {
      ...settings,
      channel: this.channel,
      group: this.group,
      kind: contracts[0]?.kind === 'event' ? 'events' : 'commands',
      types: contracts.map((contract) => contract.name),
      keyed: contracts.some((contract) => contract.key !== undefined),
      requests: contracts.some((contract) => contract.kind === 'request'),
      broadcast: this.#registrations.some((one) => one.broadcast),
      holdMaxMs: this.#holdMaxMs,
      handlers: this.#registrations.map((one) => ({
        types: one.contracts.map((contract) => contract.name),
        retry: this.#retryOf(one),
        timeoutMs: one.options.timeoutMs,
        place: one.place,
      })),
    }
  }

  /** Where nobody stated it, the longest delay is what the route can hold. */
  #retryOf(registration: Registration): RetryPolicy {
    const { retry } = registration
    if (this.route.transport.facts.parkingLot !== 'none' || retry.maxDelayMs !== undefined) return retryPolicy(retry)
    const maxDelayMs = Math.max(retry.minDelayMs ?? 0, Math.min(retryDefaults.maxDelayMs, this.#holdMaxMs))
    return retryPolicy({ ...retry, maxDelayMs, minDelayMs: Math.min(retry.minDelayMs ?? retryDefaults.minDelayMs, maxDelayMs) })
  }

  topology(): Topology {
    const declared = this.#parts.topologyOf(this.channel)
    return {
      channels: declared.channels,
      groups: [...declared.groups.filter((one) => one.group !== this.group), this.#declaration(settleGroup(this.channel, this.group, this.#registrations))],
    }
  }

  #declaration(settings: GroupSettings): GroupDeclaration {
    return {
      channel: this.channel,
      group: this.group,
      from: settings.from,
      order: settings.order,
      ephemeral: this.#registrations.some((one) => one.broadcast),
      ...(settings.concurrencyScope === 'group' ? { groupConcurrency: settings.concurrency } : {}),
    }
  }

  /** Brings the runner in line with the registrations: starts, replaces or ends it. One change at a time. */
  renew(): Promise<void> {
    return this.#next(async () => {
      await this.#runner?.stop({ deadlineMs: longestStopMs })
      this.#runner = undefined
      if (this.#registrations.length === 0) return
      const runner = this.#create()
      await runner.start()
      this.#runner = runner
      if (this.#paused) runner.pause()
    })
  }

  stop(deadlineMs: number): Promise<{ readonly finished: number; readonly released: number }> {
    return this.#next(async () => {
      const runner = this.#runner
      this.#runner = undefined
      return (await runner?.stop({ deadlineMs })) ?? { finished: 0, released: 0 }
    })
  }

  pause(): void {
    this.#paused = true
    this.#runner?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#runner?.resume()
  }

  #next<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#work.then(step)
    this.#work = result.catch(() => {})
    return result
  }

  #create(): GroupRunner {
    const parts = this.#parts
    const needs = this.needs()
    const settings = settleGroup(this.channel, this.group, this.#registrations)
    const largestBatch = Math.max(1, ...this.#registrations.map((one) => one.batch?.size ?? 1))
    return createGroupRunner({
      transport: this.route.transport,
      subscription: {
        ...this.#declaration(settings),
        kind: needs.kind,
        types: needs.types,
        windowCount: parts.windowCountMax ?? Math.max(1024, 8 * settings.concurrency * largestBatch),
        windowBytes: parts.windowBytesMax,
      },
      bindings: this.#registrations.map((one) => parts.bind(one, this.channel, this.group, this.#retryOf(one), this.route, settings.onNewerVersion === 'hold')),
      concurrency: settings.concurrency,
      onDeadLetter: settings.onDeadLetter,
      onNewerVersion: settings.onNewerVersion,
      rateLimit: settings.rateLimit,
      circuitBreaker: settings.circuitBreaker,
      killSwitch: settings.killSwitch,
      holdMaxMs: this.#holdMaxMs,
      unhandled: needs.kind === 'events' ? 'skip' : 'dead-letter',
      clock: parts.clock,
      random: parts.random,
      service: parts.service,
      instanceId: parts.instanceId,
      report: parts.report,
    })
  }
}
