import type { Contract } from '../../contract/index.ts'
import { SluiceError, toError } from '../../errors/index.ts'
import type { ContractRoute, Route } from '../bus/route.ts'
import type { RouteExplanation } from '../guarantee/api.ts'
import { compileRoute } from '../guarantee/compile.ts'
import { unavailable } from '../guarantee/explain.ts'
import type { HandlerHandle } from './api.ts'
import { HandlerGroup, type HandlerGroupParts } from './handler-group.ts'
import type { Registration } from './registration.ts'

/** What the handlers of a bus need beside what each group needs. */
export interface HandlersParts extends HandlerGroupParts {
  routeOf(contract: Contract): ContractRoute
  /** A handler that was added to a running bus could not start. */
  failed(error: Error): void
}

/** All handlers of a bus, by (channel, group). */
export class Handlers {
  readonly #parts: HandlersParts
  readonly #groups: Map<string, HandlerGroup> = new Map()
  #state: 'idle' | 'running' | 'stopped' = 'idle'
  #started: (() => void) | undefined
  readonly #start: Promise<void>

  constructor(parts: HandlersParts) {
    this.#parts = parts
    this.#start = new Promise((resolve) => {
      this.#started = resolve
    })
  }

  get groups(): readonly HandlerGroup[] {
    return [...this.#groups.values()]
  }

  /** Takes a registration in; on a running bus it starts at once. @throws SluiceError CONTRACT_CONFLICT, GUARANTEE_UNAVAILABLE, BUS_STOPPED. */
  add(registration: Registration): HandlerHandle {
    if (this.#state === 'stopped') throw new SluiceError('BUS_STOPPED', 'the bus was stopped', { fix: 'Connect again, then register handlers' })
    const groups = this.#join(registration)
    let ready: Promise<unknown> = this.#start
    if (this.#state === 'running') {
      try {
        this.#check(groups)
      } catch (error) {
        for (const group of groups) this.#leave(group, registration)
        throw error
      }
      ready = this.#launch(groups)
      ready.catch((error: unknown) => this.#parts.failed(toError(error)))
    }
    const consuming = ready.then(() => {})
    // Who does not look at it is told by `failed`; it must not end the process.
    consuming.catch(() => {})
    return {
      ready: consuming,
      stop: async (options) => {
        for (const group of groups) this.#leave(group, registration)
        if (this.#state !== 'running') return
        await Promise.all(groups.map((group) => (group.registrations.length > 0 ? group.renew() : group.stop(options?.deadlineMs ?? 30_000))))
      },
      pause: () => {
        for (const group of groups) group.pause()
      },
      resume: () => {
        for (const group of groups) group.resume()
      },
    }
  }

  /** Checks all needs, declares, and starts consuming. Rejects with GUARANTEE_UNAVAILABLE, CONTRACT_CONFLICT, or what a transport refuses with. */
  async start(): Promise<void> {
    if (this.#state === 'stopped') throw new SluiceError('BUS_STOPPED', 'the bus was stopped', { fix: 'Connect again' })
    const groups = this.groups
    this.#check(groups)
    this.#state = 'running'
    try {
      await this.#launch(groups)
    } catch (error) {
      this.#state = 'idle'
      await Promise.all(groups.map((group) => group.stop(0)))
      throw error
    }
    this.#started?.()
  }

  async stop(deadlineMs: number): Promise<{ readonly finished: number; readonly released: number }> {
    this.#state = 'stopped'
    const reports = await Promise.all(this.groups.map((group) => group.stop(deadlineMs)))
    return { finished: sum(reports.map((report) => report.finished)), released: sum(reports.map((report) => report.released)) }
  }

  /** Each route's promises. */
  explain(): readonly RouteExplanation[] {
    return this.groups.map((group) => {
      const needs = group.needs()
      const { promises } = compileRoute(group.route.transport.facts, needs)
      return { transport: group.route.transport.facts.name, channel: group.channel, group: group.group, types: needs.types, promises }
    })
  }

  #join(registration: Registration): readonly HandlerGroup[] {
    const joined: HandlerGroup[] = []
    try {
      for (const channel of new Set(registration.contracts.map((contract) => contract.channel))) {
        const group = this.#groupOf(channel, registration.groupOf(channel), registration)
        group.add(registration)
        joined.push(group)
      }
    } catch (error) {
      for (const group of joined) this.#leave(group, registration)
      throw error
    }
    return joined
  }

  #groupOf(channel: string, group: string, registration: Registration): HandlerGroup {
    let route: Route | undefined
    for (const contract of registration.contracts) if (contract.channel === channel) route = this.#parts.routeOf(contract).route
    const name = `${channel}\0${group}`
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const made = new HandlerGroup(route as Route, channel, group, this.#parts)
    this.#groups.set(name, made)
    return made
  }

  #leave(group: HandlerGroup, registration: Registration): void {
    group.remove(registration)
    if (group.registrations.length === 0) this.#groups.delete(`${group.channel}\0${group.group}`)
  }

  #check(groups: readonly HandlerGroup[]): void {
    const refused = groups.flatMap((group) => {
      const { refusals } = compileRoute(group.route.transport.facts, group.needs())
      return refusals.length === 0 ? [] : [{ channel: group.channel, group: group.group, refusals }]
    })
    if (refused.length > 0) throw unavailable(refused)
  }

  async #launch(groups: readonly HandlerGroup[]): Promise<void> {
    const byRoute = Map.groupBy(groups, (group) => group.route)
    for (const [route, part] of byRoute) {
      const topologies = part.map((group) => group.topology())
      await route.transport.declare({ channels: topologies.flatMap((one) => one.channels), groups: topologies.flatMap((one) => one.groups) })
      for (const group of part) route.sender.declared(group.channel)
    }
    await Promise.all(groups.map((group) => group.renew()))
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
