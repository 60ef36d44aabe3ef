/**
 * What all members agree on, beyond what every registry holds: members, partitions that grow, schedules. No I/O, no
 * clock: times are in the records.
 */
import {
  announceTypes,
  assignPartitions,
  type ChannelDeclaration,
  doneIf,
  type GroupOrder,
  mayOwnByTypes,
  partitionName,
  type RegisteredChannel,
  type RegisteredFiring,
  type RegisteredGroup,
  type RegisteredSchedule,
  type RegistryOutcome,
  RegistryTables,
  type ScheduleChange,
  ScheduleTable,
  type SharedRecord,
  settleOrder,
} from '@sluice/core/transport'

/** A channel, as it was declared first. */
export interface ChannelEntry extends RegisteredChannel {
  partitions: number
}

/** A member of a group. */
export interface MemberEntry {
  /** Unique: instance and a number. */
  readonly id: string
  readonly instance: string
  readonly types: readonly string[]
}

/** A group, its members and what they found out. */
export interface GroupEntry extends RegisteredGroup {
  /** Of the queues that are bound now. */
  partitions: number
  /** Version of the keys that they are bound by (bindings.ts); none: 0. */
  bindings?: number
  /** When it was made; none: long ago. */
  readonly sinceMs?: number
  readonly members: MemberEntry[]
  /** Partitions whose last owner died. */
  readonly orphans: string[]
  /** How many of its members were found dead so far. */
  deaths: number
  /** Partitions with a parking lot. */
  readonly lots: string[]
  hasDead: boolean
  /**
   * While its partitions change: to how many; which old ones nobody consumes any more; when that is true of all, whether
   * messages take a way that leads from the old queues to the new ones at once (*diverted*), and whether the new ones are
   * bound; which old ones were moved; which new ones have a queue of what was there before.
   */
  growth?: {
    readonly partitions: number
    readonly halted: string[]
    diverted?: boolean
    bound: boolean
    readonly moved: string[]
    readonly befores: string[]
  }
  /** Partitions that have a queue of what was there before the last change, which comes first. */
  befores: string[]
  /** Earlier numbers of partitions, and since when: what still arrives late in their queues is looked after for a while. */
  readonly retired: { readonly partitions: number; readonly sinceMs: number }[]
}

/** What a schedule fired, until it is confirmed. */
export interface FiringEntry extends RegisteredFiring {
  /** Who sends it. */
  readonly instance: string
}

/** One line of the registry. */
export type RegistryRecord =
  | SharedRecord
  | ScheduleChange<FiringEntry>
  | { readonly op: 'mark' }
  | { readonly op: 'channel'; readonly name: string; readonly kind: ChannelDeclaration['kind']; readonly partitions: number }
  | {
      readonly op: 'group'
      readonly channel: string
      readonly group: string
      readonly order: GroupOrder
      readonly provisional: boolean
      readonly ephemeral: boolean
      readonly partitions: number
      readonly bindings?: number
      /** What waited for a first group is in queues that come first. */
      readonly hasBefore: boolean
      readonly nowMs: number
    }
  | { readonly op: 'grow'; readonly channel: string; readonly group: string; readonly partitions: number }
  | { readonly op: 'halted'; readonly channel: string; readonly group: string; readonly partition: string }
  | { readonly op: 'bindings'; readonly channel: string; readonly group: string; readonly version: number }
  | { readonly op: 'diverted'; readonly channel: string; readonly group: string; readonly partitions: number }
  | { readonly op: 'bound'; readonly channel: string; readonly group: string; readonly partitions: number; readonly bindings?: number }
  | { readonly op: 'moved'; readonly channel: string; readonly group: string; readonly partition: string; readonly nowMs: number }
  | { readonly op: 'retired-gone'; readonly channel: string; readonly group: string; readonly partitions: number }
  | { readonly op: 'before'; readonly channel: string; readonly group: string; readonly partition: string }
  | { readonly op: 'before-done'; readonly channel: string; readonly group: string; readonly partition: string }
  | { readonly op: 'join'; readonly channel: string; readonly group: string; readonly member: MemberEntry; readonly nowMs: number }
  | { readonly op: 'leave'; readonly channel: string; readonly group: string; readonly id: string; readonly nowMs: number }
  /** An instance is dead: so are all its members. */
  | { readonly op: 'dead'; readonly instance: string }
  | { readonly op: 'adopted'; readonly channel: string; readonly group: string; readonly partition: string }
  | { readonly op: 'lot'; readonly channel: string; readonly group: string; readonly partition: string }
  | { readonly op: 'dead-letters'; readonly channel: string; readonly group: string }
  /** Another one sends what a dead instance fired. */
  | { readonly op: 'claim'; readonly id: string; readonly from: string; readonly to: string }
  | { readonly op: 'snapshot'; readonly upTo: number; readonly state: Snapshot }

/** The whole state, for whoever comes later. */
export interface Snapshot {
  readonly channels: readonly ChannelEntry[]
  readonly groups: readonly GroupEntry[]
  readonly schedules: readonly RegisteredSchedule[]
  readonly firings: readonly FiringEntry[]
}

/** See the header of this file. */
export class RegistryState extends RegistryTables<ChannelEntry, GroupEntry> {
  readonly schedules: ScheduleTable<FiringEntry> = new ScheduleTable()

  /** Instances that share a group with this one. */
  neighbours(instance: string): readonly string[] {
    const found = new Set<string>()
    for (const { members } of this.groups())
      if (members.some((member) => member.instance === instance)) for (const member of members) found.add(member.instance)
    found.delete(instance)
    return [...found].sort()
  }

  /** Who should own which partition of a group. */
  plan(group: GroupEntry): ReadonlyMap<string, MemberEntry> {
    return assignPartitions(
      partitionsOf(group),
      group.members,
      mayOwnByTypes(group.members, (partition) => group.wants[partition]),
    )
  }

  /** Applies a record. */
  apply(record: RegistryRecord): RegistryOutcome {
    switch (record.op) {
      case 'mark':
        return 'done'
      case 'channel':
        return this.#channel(record)
      case 'group':
        return this.#group(record)
      case 'channel-gone':
      case 'group-gone':
      case 'wants':
      case 'paused':
        return this.applyShared(record)
      case 'dead':
        for (const group of this.groups()) {
          const had = group.members.length
          orphan(this, group, (member) => member.instance === record.instance)
          // Gone with its member; its queue expires. A member that only seemed dead declares both again.
          if (group.ephemeral && had > 0 && group.members.length === 0) this.removeGroup(group.channel, group.group)
        }
        return 'done'
      case 'schedule':
      case 'schedule-gone':
      case 'fire':
      case 'fired':
        return this.schedules.apply(record)
      case 'claim': {
        const firing = this.schedules.firings.get(record.id)
        if (firing?.instance !== record.from) return 'refused'
        this.schedules.firings.set(record.id, { ...firing, instance: record.to })
        return 'done'
      }
      case 'snapshot':
        return 'done'
      default: {
        const group = this.group(record.channel, record.group)
        return group === undefined ? 'refused' : applyToGroup(group, record)
      }
    }
  }

  snapshot(): Snapshot {
    return { ...this.tables(), ...this.schedules.tables() }
  }

  restore(snapshot: Snapshot): void {
    this.restoreTables(snapshot)
    this.schedules.restore(snapshot)
  }

  #channel({ name, kind, partitions }: RegistryRecord & { op: 'channel' }): RegistryOutcome {
    const known = this.channels.get(name)
    if (known === undefined) this.channels.set(name, { name, kind, partitions })
    else if (known.kind !== kind) return 'refused'
    else if (partitions > known.partitions) known.partitions = partitions
    return 'done'
  }

  #group(record: RegistryRecord & { op: 'group' }): RegistryOutcome {
    const known = this.group(record.channel, record.group)
    if (known === undefined) {
      const { channel, group, order, provisional, ephemeral, partitions, bindings = 0, nowMs: sinceMs } = record
      const fresh = { types: {}, members: [], wants: {}, orphans: [], deaths: 0, lots: [], paused: false, hasDead: false, befores: [], retired: [] }
      const entry: GroupEntry = { channel, group, order, provisional, ephemeral, partitions, bindings, sinceMs, ...fresh }
      if (record.hasBefore) entry.befores = partitionsOf(entry)
      this.putGroup(entry)
      return 'done'
    }
    const came = settleOrder(known, record)
    if (came === 'settled') grow(known, record.partitions)
    return doneIf(came !== 'refused')
  }
}

/** Names of a group's partitions; `count`: those of an earlier or a coming number of them. */
export function partitionsOf(group: GroupEntry, count: number = group.partitions): string[] {
  return Array.from({ length: count }, (_, index) => partitionName(index, count))
}

/** All numbers of partitions that may have queues with something in them: what it has, had a moment ago, and is about to have. */
export function generationsOf({ partitions, growth, retired }: GroupEntry): number[] {
  return [partitions, ...retired.map((each) => each.partitions), ...(growth === undefined ? [] : [growth.partitions])]
}

type GroupRecord = Extract<RegistryRecord, { readonly group: string }> & { readonly op: Exclude<RegistryRecord['op'], 'group' | SharedRecord['op']> }

function applyToGroup(group: GroupEntry, record: GroupRecord): RegistryOutcome {
  switch (record.op) {
    case 'join': {
      const { member, nowMs } = record
      announceTypes(group.types, member.types, nowMs, (type) => group.members.some(({ types }) => types.includes(type)))
      remove(group.members, ({ id }) => id === member.id)
      group.members.push(member)
      return 'done'
    }
    case 'leave':
      for (const { id, types } of group.members) if (id === record.id) for (const type of types) group.types[type] = record.nowMs
      return doneIf(remove(group.members, ({ id }) => id === record.id))
    case 'adopted':
      return doneIf(remove(group.orphans, (partition) => partition === record.partition))
    case 'lot':
      if (!group.lots.includes(record.partition)) group.lots.push(record.partition)
      return 'done'
    case 'dead-letters':
      group.hasDead = true
      return 'done'
    case 'grow':
      return doneIf(grow(group, record.partitions))
    case 'halted':
      if (group.growth === undefined || group.growth.halted.includes(record.partition)) return 'refused'
      group.growth.halted.push(record.partition)
      return 'done'
    case 'bindings':
      group.bindings = record.version
      return 'done'
    case 'diverted':
      if (group.growth?.partitions !== record.partitions) return 'refused'
      group.growth.diverted = true
      return 'done'
    case 'bound':
      if (group.growth?.partitions !== record.partitions) return 'refused'
      group.growth.bound = true
      group.bindings = record.bindings ?? 0
      return 'done'
    case 'moved':
      return doneIf(moved(group, record.partition, record.nowMs))
    case 'retired-gone':
      return doneIf(remove(group.retired, ({ partitions }) => partitions === record.partitions))
    case 'before':
      if (group.growth === undefined) return 'refused'
      if (!group.growth.befores.includes(record.partition)) group.growth.befores.push(record.partition)
      return 'done'
    case 'before-done':
      return doneIf(remove(group.befores, (partition) => partition === record.partition))
  }
}

/** Begins a change of the partitions; one at a time, and to more. */
function grow(group: GroupEntry, partitions: number): boolean {
  if (group.growth !== undefined || partitions <= group.partitions) return false
  group.growth = { partitions, halted: [], bound: false, moved: [], befores: [] }
  return true
}

/** An old partition's messages are in the new ones; with the last of them the new ones count. */
function moved(group: GroupEntry, partition: string, nowMs: number): boolean {
  const { growth } = group
  if (growth === undefined || !growth.bound || growth.moved.includes(partition) || !partitionsOf(group).includes(partition)) return false
  growth.moved.push(partition)
  if (growth.moved.length < group.partitions) return true
  group.retired.push({ partitions: group.partitions, sinceMs: nowMs })
  group.partitions = growth.partitions
  delete group.growth
  group.befores = growth.befores
  const all = partitionsOf(group)
  remove(group.lots, (lot) => !all.includes(lot))
  group.orphans.length = 0
  for (const name of Object.keys(group.wants)) delete group.wants[name]
  return true
}

/** Members die: what was theirs is marked, so that the heirs look twice. */
function orphan(state: RegistryState, group: GroupEntry, isDead: (member: MemberEntry) => boolean): void {
  if (!group.members.some(isDead)) return
  for (const [partition, owner] of state.plan(group)) if (isDead(owner) && !group.orphans.includes(partition)) group.orphans.push(partition)
  group.deaths++
  remove(group.members, isDead)
}

function remove<T>(list: T[], matches: (item: T) => boolean): boolean {
  const kept = list.filter((item) => !matches(item))
  const removed = kept.length < list.length
  list.splice(0, list.length, ...kept)
  return removed
}
