/**
 * What all members agree on, beyond what every registry holds: where groups begin, and what administrators decided of
 * their progress. No I/O, no clock: times are in the records.
 */
import {
  announceTypes,
  type ChannelDeclaration,
  doneIf,
  type GroupOrder,
  type RegisteredChannel,
  type RegisteredFiring,
  type RegisteredGroup,
  type RegisteredSchedule,
  type RegistryOutcome,
  RegistryTables,
  type Retention,
  type ScheduleChange,
  ScheduleTable,
  type SharedRecord,
  settleOrder,
} from '@sluice/core/transport'

/** A channel, as it was declared. */
export interface ChannelEntry extends RegisteredChannel {
  /** Of its topic; of a reply channel: which partition of the topic of replies is its own. */
  readonly partitions: number
  retention?: Retention
  /** A reply channel's instance said so last, ms. */
  aliveMs?: number
  /** Events that were stored before the first group was there. */
  unrouted?: number
}

/** A change of a group's progress, which each partition's owner carries out once, in the order of their numbers. */
export type GroupChange =
  /** These offsets, by partition, come again. */
  | { readonly kind: 'again'; readonly ranges: readonly (readonly [from: number, to: number])[] }
  /** What is below these offsets is dropped, and the lot with it. */
  | { readonly kind: 'purge'; readonly before: readonly number[] }

/** A group. */
export interface GroupEntry extends RegisteredGroup {
  /** Where it begins, by partition. */
  readonly starts: readonly number[]
  /** Its lot's topic was made: something had to be remembered, moved or given up. */
  hasLot: boolean
  readonly changes: { readonly number: number; readonly id: string; readonly change: GroupChange }[]
}

/** What a schedule fired, with the producer under whose first number whoever sends it stores it. */
export interface FiringEntry extends RegisteredFiring {
  readonly producer: { readonly id: string; readonly epoch: number }
}

/** One line of the registry. */
export type RegistryRecord =
  | SharedRecord
  | ScheduleChange<FiringEntry>
  | {
      readonly op: 'channel'
      readonly name: string
      readonly kind: ChannelDeclaration['kind']
      readonly partitions: number
      readonly retention?: Retention
      readonly nowMs?: number
    }
  | {
      readonly op: 'group'
      readonly channel: string
      readonly group: string
      readonly order: GroupOrder
      readonly provisional: boolean
      readonly ephemeral: boolean
      readonly starts: readonly number[]
      /** Of the channel, all told, when this was asked. */
      readonly stored: number
    }
  /** A member came or went; either way its types were announced until now. */
  | { readonly op: 'types'; readonly channel: string; readonly group: string; readonly types: readonly string[]; readonly nowMs: number }
  | { readonly op: 'lot'; readonly channel: string; readonly group: string }
  | { readonly op: 'change'; readonly channel: string; readonly group: string; readonly id: string; readonly change: GroupChange }
  /** The topic of delayed messages was made. */
  | { readonly op: 'later' }
  /** No more should be put into this partition of it, or there is room again. */
  | { readonly op: 'later-full'; readonly partition: number; readonly full: boolean }
  /** What is known, for whoever begins to read here. `anew`: the topic was deleted; it counts for all. */
  | { readonly op: 'snapshot'; readonly anew?: true; readonly state: Snapshot }

/** The whole state, for whoever comes later. */
export interface Snapshot {
  readonly channels: readonly ChannelEntry[]
  readonly groups: readonly GroupEntry[]
  readonly hasLater?: boolean
  readonly laterFull?: readonly number[]
  readonly schedules?: readonly RegisteredSchedule[]
  readonly firings?: readonly FiringEntry[]
}

/** Changes that are kept for partitions that nobody owned meanwhile. */
const changesMax = 100

/** See the header of this file. */
export class RegistryState extends RegistryTables<ChannelEntry, GroupEntry> {
  readonly schedules: ScheduleTable<FiringEntry> = new ScheduleTable()
  /** Something was sent with a delay, ever. */
  hasLater = false
  /** Partitions of the topic of delayed messages that take no more. */
  readonly laterFull: Set<number> = new Set()

  /** Applies the record with this number, which grows from record to record. */
  apply(record: RegistryRecord, number: number): RegistryOutcome {
    switch (record.op) {
      case 'channel':
        return this.#channel(record)
      case 'group':
        return this.#group(record)
      case 'channel-gone':
      case 'group-gone':
      case 'wants':
      case 'paused':
        return this.applyShared(record)
      case 'schedule':
      case 'schedule-gone':
      case 'fire':
      case 'fired':
        return this.schedules.apply(record)
      case 'later':
        this.hasLater = true
        return 'done'
      case 'later-full':
        if (record.full) this.laterFull.add(record.partition)
        else this.laterFull.delete(record.partition)
        return 'done'
      case 'snapshot':
        this.#restore(record.state)
        return 'done'
      default: {
        const group = this.group(record.channel, record.group)
        return group === undefined ? 'refused' : applyToGroup(group, record, number)
      }
    }
  }

  snapshot(): Snapshot {
    return { ...this.tables(), ...this.schedules.tables(), hasLater: this.hasLater, laterFull: [...this.laterFull] }
  }

  #restore({ hasLater = false, laterFull = [], schedules = [], firings = [], ...tables }: Snapshot): void {
    this.restoreTables(tables)
    this.schedules.restore({ schedules, firings })
    this.hasLater = hasLater
    this.laterFull.clear()
    for (const partition of laterFull) this.laterFull.add(partition)
  }

  #channel({ name, kind, partitions, retention, nowMs }: RegistryRecord & { op: 'channel' }): RegistryOutcome {
    const known = this.channels.get(name)
    if (known === undefined) this.channels.set(name, { name, kind, partitions, ...(retention === undefined ? {} : { retention }) })
    else if (known.kind !== kind) return 'refused'
    else if (retention !== undefined) known.retention = retention
    const entry = this.channels.get(name)
    if (entry !== undefined && nowMs !== undefined) entry.aliveMs = nowMs
    return 'done'
  }

  #group(record: RegistryRecord & { op: 'group' }): RegistryOutcome {
    const { channel: name, group, order, provisional, ephemeral, starts } = record
    const channel = this.channels.get(name)
    if (channel === undefined) return 'refused'
    const known = this.group(name, group)
    if (known === undefined) {
      if (this.groups(name).length === 0) channel.unrouted ??= record.stored
      const fresh = { types: {}, wants: {}, paused: false, hasLot: false, changes: [] }
      this.putGroup({ channel: name, group, order, provisional, ephemeral, starts, ...fresh })
      return 'done'
    }
    return doneIf(settleOrder(known, record) !== 'refused')
  }
}

type GroupRecord = Extract<RegistryRecord, { readonly op: 'types' | 'lot' | 'change' }>

function applyToGroup(group: GroupEntry, record: GroupRecord, number: number): RegistryOutcome {
  switch (record.op) {
    case 'types':
      announceTypes(group.types, record.types, record.nowMs)
      return 'done'
    case 'lot':
      group.hasLot = true
      return 'done'
    case 'change':
      // Sent again because nobody knew whether it was stored.
      if (group.changes.some(({ id }) => id === record.id)) return 'refused'
      group.changes.push({ number, id: record.id, change: record.change })
      if (group.changes.length > changesMax) group.changes.shift()
      return 'done'
  }
}
