/**
 * What all members agree on, as a state machine: records of the registry's topic go in, in the order of the topic, and
 * every member comes to the same state and the same outcome. No I/O, no clock: times are in the records.
 */
import type { ChannelDeclaration, GroupOrder, Retention } from '@sluice/core/transport'

/** A channel, as it was declared. */
export interface ChannelEntry {
  readonly name: string
  readonly kind: ChannelDeclaration['kind']
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
export interface GroupEntry {
  readonly channel: string
  readonly group: string
  order: GroupOrder
  provisional: boolean
  readonly ephemeral: boolean
  /** Where it begins, by partition. */
  readonly starts: readonly number[]
  paused: boolean
  /** Its lot's topic was made: something had to be remembered, moved or given up. */
  hasLot: boolean
  /** Type → when a member announced it last, ms. */
  readonly types: Record<string, number>
  /** Partition → type that its last owner could not handle. */
  readonly wants: Record<string, string>
  readonly changes: { readonly number: number; readonly id: string; readonly change: GroupChange }[]
}

/** One line of the registry. */
export type RegistryRecord =
  | {
      readonly op: 'channel'
      readonly name: string
      readonly kind: ChannelDeclaration['kind']
      readonly partitions: number
      readonly retention?: Retention
      readonly nowMs?: number
    }
  | { readonly op: 'channel-gone'; readonly name: string }
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
  | { readonly op: 'group-gone'; readonly channel: string; readonly group: string }
  /** A member came or went; either way its types were announced until now. */
  | { readonly op: 'types'; readonly channel: string; readonly group: string; readonly types: readonly string[]; readonly nowMs: number }
  | { readonly op: 'wants'; readonly channel: string; readonly group: string; readonly partition: number; readonly type: string }
  | { readonly op: 'lot'; readonly channel: string; readonly group: string }
  | { readonly op: 'paused'; readonly channel: string; readonly group: string; readonly paused: boolean }
  | { readonly op: 'change'; readonly channel: string; readonly group: string; readonly id: string; readonly change: GroupChange }
  | { readonly op: 'snapshot'; readonly state: Snapshot }

/** The whole state, for whoever comes later. */
export interface Snapshot {
  readonly channels: readonly ChannelEntry[]
  readonly groups: readonly GroupEntry[]
}

/** What a record came to. `refused`: it was too late, or contradicts what is there; nothing has changed. */
export type RegistryOutcome = 'done' | 'refused'

/** A type that no live member has announced for this long is forgotten. */
const typeKeptMs = 24 * 3_600_000
/** Changes that are kept for partitions that nobody owned meanwhile. */
const changesMax = 100

/** See the header of this file. */
export class RegistryState {
  readonly channels: Map<string, ChannelEntry> = new Map()
  readonly #groups: Map<string, GroupEntry> = new Map()

  group(channel: string, group: string): GroupEntry | undefined {
    return this.#groups.get(`${channel}\n${group}`)
  }

  groups(channel?: string): readonly GroupEntry[] {
    return [...this.#groups.values()].filter((group) => channel === undefined || group.channel === channel)
  }

  /** Applies the record with this number, which grows from record to record. */
  apply(record: RegistryRecord, number: number): RegistryOutcome {
    switch (record.op) {
      case 'channel':
        return this.#channel(record)
      case 'channel-gone':
        return done(this.channels.delete(record.name))
      case 'group':
        return this.#group(record)
      case 'group-gone':
        return done(this.#groups.delete(`${record.channel}\n${record.group}`))
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
    return { channels: [...this.channels.values()], groups: [...this.#groups.values()] }
  }

  #restore({ channels, groups }: Snapshot): void {
    this.channels.clear()
    this.#groups.clear()
    for (const channel of channels) this.channels.set(channel.name, channel)
    for (const group of groups) this.#groups.set(`${group.channel}\n${group.group}`, group)
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
      this.#groups.set(`${name}\n${group}`, { channel: name, group, order, provisional, ephemeral, starts, ...fresh })
      return 'done'
    }
    if (provisional) return 'done'
    if (!known.provisional) return known.order === order ? 'done' : 'refused'
    known.provisional = false
    known.order = order
    return 'done'
  }
}

type GroupRecord = Extract<RegistryRecord, { readonly op: 'types' | 'wants' | 'lot' | 'paused' | 'change' }>

function applyToGroup(group: GroupEntry, record: GroupRecord, number: number): RegistryOutcome {
  switch (record.op) {
    case 'types':
      for (const type of record.types) group.types[type] = record.nowMs
      for (const [type, seenMs] of Object.entries(group.types)) if (record.nowMs - seenMs > typeKeptMs) delete group.types[type]
      return 'done'
    case 'wants':
      group.wants[record.partition] = record.type
      return 'done'
    case 'lot':
      group.hasLot = true
      return 'done'
    case 'paused':
      group.paused = record.paused
      return 'done'
    case 'change':
      // Sent again because nobody knew whether it was stored.
      if (group.changes.some(({ id }) => id === record.id)) return 'refused'
      group.changes.push({ number, id: record.id, change: record.change })
      if (group.changes.length > changesMax) group.changes.shift()
      return 'done'
  }
}

function done(changed: boolean): RegistryOutcome {
  return changed ? 'done' : 'refused'
}
