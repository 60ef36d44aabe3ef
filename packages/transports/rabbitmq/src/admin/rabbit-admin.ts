import {
  type ChannelStatus,
  type Clock,
  type DeadLetter,
  type DeadLetterQuery,
  type Envelope,
  type GroupStatus,
  groupInUse,
  keepMessage,
  type OutgoingMessage,
  partitionIndex,
  partitionName,
  queried,
  type ScheduleRecord,
  SluiceError,
  type TransportAdmin,
  unknownGroup,
} from '@sluice/core/transport'
import { OwnedPartition, putNote } from '../consume/partition.ts'
import type { DeadLetters, HeldLetter } from '../dead/dead-letters.ts'
import type { DelayedMessages } from '../delayed/delayed-messages.ts'
import type { Link } from '../link/link.ts'
import type { LotNote } from '../lot/lot-state.ts'
import type { Instance } from '../member/instance.ts'
import { type Names, placementOf } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import type { GroupEntry } from '../registry/state.ts'
import type { Firings } from '../schedules/firings.ts'
import type { Publisher } from '../send/publisher.ts'
import type { TopologyKeeper } from '../topology.ts'
import { Figures, type Holdings } from './figures.ts'

/** What administration needs of its transport. */
export interface AdminHome {
  readonly link: Link
  readonly publisher: Publisher
  readonly clock: Clock
  readonly registry: Registry
  readonly instance: Instance
  readonly names: Names
  readonly topology: TopologyKeeper
  readonly deadLetters: DeadLetters
  readonly delayed: DelayedMessages
  readonly firings: Firings
  mustBeOpen(): void
}

/** A lot that does not let us in within this has an owner, ms. */
const visitMs = 1_000

/** Administration over RabbitMQ. Figures are sums over several questions: approximate while messages flow. */
export class RabbitAdmin implements TransportAdmin {
  readonly #home: AdminHome
  readonly #figures: Figures

  constructor(home: AdminHome) {
    this.#home = home
    this.#figures = new Figures(home.link, home.clock, home.registry, home.instance, home.names, (group, partition) => this.#visitLot(group, partition))
  }

  async groups(channel?: string): Promise<readonly GroupStatus[]> {
    this.#home.mustBeOpen()
    await this.#home.registry.sync()
    const rows = await Promise.all(
      this.#home.registry.state.groups(channel).map(async (group) => {
        const row = await this.#figures.group(group)
        if (row === undefined && group.ephemeral) await this.#home.registry.append({ op: 'group-gone', channel: group.channel, group: group.group })
        return row
      }),
    )
    return rows.filter((row) => row !== undefined)
  }

  async channels(): Promise<readonly ChannelStatus[]> {
    this.#home.mustBeOpen()
    const { registry, names } = this.#home
    await registry.sync()
    const groups = await this.groups()
    return Promise.all(
      [...registry.state.channels.values()].map(async ({ name, kind }) => {
        const unrouted = await this.#figures.count(names.unrouted(name))
        // RabbitMQ counts nothing that is gone: what is known to have been stored is what is still kept.
        const kept = Math.max(unrouted, ...groups.filter(({ channel }) => channel === name).map(({ backlog }) => backlog))
        return { channel: name, kind, stored: kept, kept, unrouted, scheduled: await this.#home.delayed.count(name) }
      }),
    )
  }

  async removeGroup(channel: string, group: string): Promise<void> {
    const entry = await this.#find(channel, group)
    await this.#figures.held(entry)
    const live = this.#home.registry.state.group(channel, group)?.members.length ?? 0
    if (live > 0) throw groupInUse(channel, group, live)
    await this.#home.topology.removeGroup(entry)
  }

  async setPaused(channel: string, group: string, paused: boolean): Promise<void> {
    await this.#find(channel, group)
    await this.#home.registry.append({ op: 'paused', channel, group, paused })
  }

  async replay(): Promise<number> {
    throw new SluiceError('UNSUPPORTED', 'RabbitMQ: what was accepted is gone from its queue', {
      fix: 'Use a file: or kafka: URL for channels that must be replayed',
    })
  }

  async purge(channel: string, group: string): Promise<number> {
    const entry = await this.#find(channel, group)
    const { link, names, instance } = this.#home
    const instances = [...new Set(entry.members.map((member) => member.instance))]
    const replies = await Promise.all(instances.map((each) => instance.ask(each, { ask: 'drop', channel, group }, 5_000)))
    let dropped = replies.reduce((sum, reply) => sum + (typeof reply === 'object' && typeof reply.dropped === 'number' ? reply.dropped : 0), 0)
    for (let index = 0; index < entry.partitions; index++) {
      const partition = partitionName(index, entry.partitions)
      dropped += (await link.ask((on) => on.purgeQueue(names.partition(channel, group, partition)))).messageCount
      if (entry.lots.includes(partition)) await link.ask((on) => on.purgeQueue(names.lot(channel, group, partition)))
    }
    return dropped
  }

  async deadLetters(channel: string, group: string, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    const entry = await this.#find(channel, group)
    if (!entry.hasDead) return []
    const behind = await this.#behind(entry)
    const { deadLetters } = this.#home
    return deadLetters.withAll(channel, group, async (letters) =>
      queried(letters, ({ letter }) => letter, query).map(({ letter }) => ({ ...letter, parkedBehind: behind[letter.deadLetterId] ?? 0 })),
    )
  }

  async redrive(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#resolve(channel, group, query, ({ lane, letter, order }) => ({
      kind: 'redriven',
      lane,
      letterId: letter.deadLetterId,
      order,
      redrives: letter.redrives + 1,
    }))
  }

  async discard(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#resolve(channel, group, query, ({ lane, letter }) =>
      lane.startsWith('id:') ? undefined : { kind: 'discarded', lane, letterId: letter.deadLetterId },
    )
  }

  async browse(): Promise<{ readonly messages: readonly Envelope[]; readonly next: string | undefined }> {
    throw new SluiceError('UNSUPPORTED', 'RabbitMQ: a queue cannot be read without consuming it', { fix: "Use the management plugin's page of the queue" })
  }

  async cancel(channel: string, id: string): Promise<boolean> {
    this.#home.mustBeOpen()
    await this.#home.registry.sync()
    return this.#home.delayed.cancel(channel, id)
  }

  async putSchedule(schedule: ScheduleRecord): Promise<ScheduleRecord> {
    this.#home.mustBeOpen()
    const { registry } = this.#home
    await registry.append({ op: 'schedule', schedule: { ...schedule, message: keepMessage(schedule.message) } })
    return registry.state.schedules.get(schedule.name) ?? schedule
  }

  async removeSchedule(name: string): Promise<boolean> {
    this.#home.mustBeOpen()
    return (await this.#home.registry.append({ op: 'schedule-gone', name })) === 'done'
  }

  async schedules(): Promise<readonly ScheduleRecord[]> {
    this.#home.mustBeOpen()
    await this.#home.registry.sync()
    return this.#home.registry.state.schedules.all()
  }

  async fireSchedule(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean> {
    this.#home.mustBeOpen()
    return this.#home.firings.fire(name, expectedAtMs, message, nextAtMs)
  }

  /** Dead letters become notes in the lot, confirmed, and only then go; as many at a time as one consumer may hold. */
  async #resolve(channel: string, group: string, query: DeadLetterQuery, noteOf: (letter: HeldLetter) => LotNote | undefined): Promise<number> {
    const entry = await this.#find(channel, group)
    if (!entry.hasDead) return 0
    const limit = query.limit ?? Number.POSITIVE_INFINITY
    let total = 0
    for (let mayBeMore = true; mayBeMore; ) {
      const rest = query.limit === undefined ? query : { ...query, limit: limit - total }
      mayBeMore = await this.#home.deadLetters.withAll(channel, group, async (letters, settle, areThereMore) => {
        const chosen = queried(letters, ({ letter }) => letter, rest)
        await this.#resolveHeld(entry, chosen, settle, noteOf)
        total += chosen.length
        return areThereMore && chosen.length > 0 && total < limit
      })
    }
    return total
  }

  async #resolveHeld(
    entry: GroupEntry,
    chosen: readonly HeldLetter[],
    settle: (tag: number) => void,
    noteOf: (letter: HeldLetter) => LotNote | undefined,
  ): Promise<void> {
    const { topology, publisher, names, instance } = this.#home
    const { channel, group, order, partitions, members } = entry
    const noted = chosen.map((held) => {
      const { envelope } = held.letter
      return { held, envelope, note: noteOf(held), partition: partitionName(partitionIndex(placementOf(envelope, order), partitions), partitions) }
    })
    const lots = new Set(noted.filter(({ note }) => note !== undefined).map(({ partition }) => partition))
    for (const partition of lots) await topology.lot(channel, group, partition)
    // In the order of the letters, for so they are written.
    await Promise.all(
      noted.map(async ({ held, envelope, note, partition }) => {
        const { storedAtMs, sizeBytes, tag } = held
        if (note !== undefined) await putNote(publisher, names.lot(channel, group, partition), note, { envelope, storedAtMs, sizeBytes })
        settle(tag)
      }),
    )
    for (const partition of lots)
      for (const member of new Set(members.map((each) => each.instance))) await instance.ask(member, { ask: 'look-at-lot', channel, group, partition }, 1_000)
  }

  async #behind(entry: GroupEntry): Promise<Readonly<Record<string, number>>> {
    const all = await this.#figures.everywhere(entry)
    return Object.assign({}, ...all.map(({ behind }) => behind))
  }

  /** Looks into the lot of a partition that nobody owns; undefined: it does have an owner. */
  async #visitLot(group: GroupEntry, name: string): Promise<Holdings | undefined> {
    const { link, publisher, clock, names } = this.#home
    const partition = OwnedPartition.visitor(
      { link, publisher, clock, nowMs: () => clock.nowMs(), lotQueue: (each) => names.lot(group.channel, group.group, each), report: () => undefined },
      name,
    )
    try {
      const looked = partition.lookAtLot().then(() => true)
      looked.catch(() => undefined)
      const late = new Promise<boolean>((resolve) => void clock.setTimer(visitMs, () => resolve(false)))
      if (!(await Promise.race([looked, late]))) return undefined
      const behind: Record<string, number> = {}
      const count = { suspended: 0, parked: 0 }
      for (const lane of partition.lot.lanes.values()) {
        count[lane.state]++
        if (lane.parkedBy !== undefined) behind[lane.parkedBy] = lane.entries.length
      }
      return { unsettled: 0, inFlight: 0, entries: partition.lot.count, ...count, behind, partitions: [name] }
    } finally {
      await partition.letGo()
    }
  }

  async #find(channel: string, group: string): Promise<GroupEntry> {
    this.#home.mustBeOpen()
    await this.#home.registry.sync()
    const entry = this.#home.registry.state.group(channel, group)
    if (entry === undefined) throw unknownGroup(channel, group)
    return entry
  }
}
