/** What a group has waiting: the server knows what nobody holds, its members the rest. */
import type { GroupStatus } from '@sluice/core/transport'
import type { Link } from '../link/link.ts'
import type { Instance } from '../member/instance.ts'
import type { Names } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import { type GroupEntry, partitionsOf } from '../registry/state.ts'

/** How long a member may take to say what it holds, ms. */
const patienceMs = 1_000

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
  readonly #registry: Registry
  readonly #instance: Instance
  readonly #names: Names
  readonly #visitLot: (group: GroupEntry, partition: string) => Promise<Holdings>

  constructor(link: Link, registry: Registry, instance: Instance, names: Names, visitLot: (group: GroupEntry, partition: string) => Promise<Holdings>) {
    this.#link = link
    this.#registry = registry
    this.#instance = instance
    this.#names = names
    this.#visitLot = visitLot
  }

  /** Figures of one group. */
  async group(group: GroupEntry): Promise<GroupStatus | undefined> {
    const before = await this.#ready(group)
    if (before === undefined) return undefined
    const { holdings, consumers } = await this.held(group)
    const after = before > 0 ? before : ((await this.#ready(group)) ?? 0)
    const visited: Holdings[] = []
    for (const partition of group.lots) {
      if (holdings.some(({ partitions }) => partitions.includes(partition))) continue
      if ((await this.#count(this.#names.lot(group.channel, group.group, partition))) > 0) visited.push(await this.#visitLot(group, partition))
    }
    const all = [...holdings, ...visited]
    const sum = (field: 'unsettled' | 'inFlight' | 'entries' | 'suspended' | 'parked'): number => all.reduce((total, each) => total + each[field], 0)
    return {
      channel: group.channel,
      group: group.group,
      backlog: Math.max(before, after) + sum('unsettled') + sum('entries'),
      oldestAgeMs: 0,
      inFlight: sum('inFlight'),
      deadLetters: group.hasDead ? await this.#count(this.#names.dead(group.channel, group.group)) : 0,
      parkedLanes: sum('parked'),
      suspendedLanes: sum('suspended'),
      consumers,
      paused: group.paused,
    }
  }

  /** What each member holds, and how many there are. */
  async held(group: GroupEntry): Promise<{ readonly holdings: readonly Holdings[]; readonly consumers: number }> {
    const { channel, group: name } = group
    const instances = [...new Set(group.members.map(({ instance }) => instance))]
    const replies = await Promise.all(instances.map((instance) => this.#instance.ask(instance, { ask: 'holdings', channel, group: name }, patienceMs)))
    const holdings: Holdings[] = []
    for (const [i, reply] of replies.entries()) {
      if (reply === 'dead') {
        await this.#registry.append({ op: 'dead', instance: instances[i] as string })
      } else if (reply !== 'silent') holdings.push(...((reply.all as Holdings[] | undefined) ?? []))
    }
    return { holdings, consumers: group.members.length }
  }

  /** Messages that nobody holds; undefined: its queues are gone. */
  async #ready(group: GroupEntry): Promise<number | undefined> {
    const queues = partitionsOf(group).map((partition) => this.#names.partition(group.channel, group.group, partition))
    for (const partition of group.befores) queues.push(this.#names.before(group.channel, group.group, partition))
    const counts = await Promise.all(queues.map((queue) => this.#countOrGone(queue)))
    if (counts.slice(0, group.partitions).includes(undefined)) return undefined
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  }

  async #count(queue: string): Promise<number> {
    return (await this.#countOrGone(queue)) ?? 0
  }

  async count(queue: string): Promise<number> {
    return this.#count(queue)
  }

  async #countOrGone(queue: string): Promise<number | undefined> {
    try {
      return (await this.#link.ask((channel) => channel.checkQueue(queue))).messageCount
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 404) return undefined
      throw error
    }
  }
}
