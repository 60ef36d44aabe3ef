/** What a group has waiting: the server knows what nobody holds, its members the rest. */
import type { Clock, GroupStatus } from '@sluice/core/transport'
import { type Link, messageCount } from '../link/link.ts'
import type { Instance } from '../member/instance.ts'
import type { Names } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import { type GroupEntry, partitionsOf } from '../registry/state.ts'

/** How long a member may take to say what it holds, ms. */
const patienceMs = 1_000

/** How long to wait, and look again, while partitions change hands, ms. */
const fluxMs = 5_000
const fluxLookMs = 50

/** A visit to a lot that somebody takes over at the same time is tried again, so often. */
const visitsMax = 10

const nothing: Holdings = { unsettled: 0, inFlight: 0, entries: 0, suspended: 0, parked: 0, behind: {}, partitions: [] }

/** Sum of what the members of a group hold. */
export interface Holdings {
  readonly unsettled: number
  readonly inFlight: number
  readonly entries: number
  readonly suspended: number
  readonly parked: number
  /** Dead letter → messages parked behind it. */
  readonly behind: Readonly<Record<string, number>>
  readonly partitions: readonly string[]
}

/** See the header of this file. */
export class Figures {
  readonly #link: Link
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #instance: Instance
  readonly #names: Names
  readonly #visitLot: (group: GroupEntry, partition: string) => Promise<Holdings | undefined>

  constructor(
    link: Link,
    clock: Clock,
    registry: Registry,
    instance: Instance,
    names: Names,
    visitLot: (group: GroupEntry, partition: string) => Promise<Holdings | undefined>,
  ) {
    this.#link = link
    this.#clock = clock
    this.#registry = registry
    this.#instance = instance
    this.#names = names
    this.#visitLot = visitLot
  }

  /** Figures of one group; undefined: its queues are gone. */
  async group(group: GroupEntry): Promise<GroupStatus | undefined> {
    const untilMs = this.#clock.monotonicMs() + fluxMs
    for (;;) {
      const before = await this.#ready(group)
      if (before === undefined) return undefined
      const held = await this.held(group)
      const all = await this.#withLots(group, held.holdings)
      const after = before > 0 ? before : ((await this.#ready(group)) ?? 0)
      const sum = (field: 'unsettled' | 'inFlight' | 'entries' | 'suspended' | 'parked'): number => all.reduce((total, each) => total + each[field], 0)
      const backlog = Math.max(before, after) + sum('unsettled') + sum('entries')
      // What is on its way from one owner to the next is counted by neither, and the markers of who takes over count as messages.
      if (!held.isSettled && this.#clock.monotonicMs() < untilMs) {
        await new Promise<void>((resolve) => void this.#clock.setTimer(fluxLookMs, resolve))
        continue
      }
      return {
        channel: group.channel,
        group: group.group,
        backlog,
        oldestAgeMs: 0,
        inFlight: sum('inFlight'),
        deadLetters: group.hasDead ? await this.count(this.#names.dead(group.channel, group.group)) : 0,
        parkedLanes: sum('parked'),
        suspendedLanes: sum('suspended'),
        consumers: group.members.length,
        paused: group.paused,
      }
    }
  }

  /** What members hold, and what is in the lots of partitions that nobody owns. */
  async everywhere(group: GroupEntry): Promise<readonly Holdings[]> {
    return this.#withLots(group, (await this.held(group)).holdings)
  }

  async #withLots(group: GroupEntry, first: readonly Holdings[]): Promise<readonly Holdings[]> {
    let held = first
    for (let tries = 1; ; tries++) {
      const owned = new Set(held.flatMap(({ partitions }) => partitions))
      const visits = await Promise.all(group.lots.filter((partition) => !owned.has(partition)).map((partition) => this.#visit(group, partition)))
      const visited = visits.filter((visit) => visit !== undefined)
      // Somebody became the owner meanwhile, and will say so when asked again.
      if (visited.length === visits.length || tries === visitsMax) return [...held, ...visited]
      held = (await this.held(group)).holdings
    }
  }

  /**
   * What each member holds; who turns out to be dead is struck from the registry. Settled: each partition has an owner, and
   * all have answered or will not.
   */
  async held(group: GroupEntry): Promise<{ readonly holdings: readonly Holdings[]; readonly isSettled: boolean }> {
    const { channel, group: name } = group
    const instances = [...new Set(group.members.map(({ instance }) => instance))]
    const replies = await Promise.all(instances.map((instance) => this.#instance.ask(instance, { ask: 'holdings', channel, group: name }, patienceMs)))
    const holdings: Holdings[] = []
    for (const [i, reply] of replies.entries()) {
      if (reply === 'dead') await this.#registry.append({ op: 'dead', instance: instances[i] as string })
      else if (reply !== 'silent') holdings.push(...((reply.all as Holdings[] | undefined) ?? []))
    }
    const owned = new Set(holdings.flatMap(({ partitions }) => partitions))
    const isOwned = replies.includes('silent') || group.members.length === 0 || (group.growth === undefined && owned.size >= group.partitions)
    return { holdings, isSettled: isOwned && !replies.includes('dead') }
  }

  async #visit(group: GroupEntry, partition: string): Promise<Holdings | undefined> {
    const waiting = await this.count(this.#names.lot(group.channel, group.group, partition))
    return waiting === 0 ? nothing : this.#visitLot(group, partition)
  }

  /** Messages that nobody holds; undefined: its queues are gone. */
  async #ready(group: GroupEntry): Promise<number | undefined> {
    const { channel, group: name } = group
    const own = partitionsOf(group).map((partition) => this.#names.partition(channel, name, partition))
    const others = group.befores.map((partition) => this.#names.before(channel, name, partition))
    for (const { partitions } of group.retired)
      for (const partition of partitionsOf(group, partitions)) others.push(this.#names.partition(channel, name, partition))
    const { growth } = group
    if (growth !== undefined) {
      for (const partition of partitionsOf(group, growth.partitions)) others.push(this.#names.partition(channel, name, partition))
      for (const partition of growth.befores) others.push(this.#names.before(channel, name, partition))
    }
    const [mine, theirs] = await Promise.all([own, others].map((queues) => Promise.all(queues.map((queue) => messageCount(this.#link, queue)))))
    if (mine === undefined || theirs === undefined || mine.includes(undefined)) return undefined
    return [...mine, ...theirs].reduce<number>((sum, count) => sum + (count ?? 0), 0)
  }

  /** Messages in a queue that nobody holds; 0 where there is no such queue. */
  async count(queue: string): Promise<number> {
    return (await messageCount(this.#link, queue)) ?? 0
  }
}
