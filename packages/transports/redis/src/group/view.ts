/** A group as the server describes it to a member (scripts `tick` and `take`), and who should own what. Pure. */
import { assignPartitions, mayOwnByTypes } from '@sluice/core/transport'
import type { Reply } from '../resp/reply.ts'
import type { Position } from '../wire/position.ts'
import type { ComparedLane, Remembered, TakenPartition } from './partition.ts'

/** A partition as everybody sees it. */
export interface PartitionView {
  readonly name: string
  readonly residue: number
  readonly modulus: number
  readonly owner: string
  readonly epoch: number
  readonly wants: string
}

/** Why there is none: no such group, no such member, or a server that went back to an earlier state. */
export type NoView = 'none' | 'gone' | 'back'

export interface GroupView {
  readonly paused: boolean
  readonly news: number
  readonly order: string
  readonly concurrency: number
  readonly partitions: readonly PartitionView[]
  /** Live members with the types that they handle. */
  readonly members: ReadonlyMap<string, readonly string[]>
  readonly types: readonly string[]
  /** Partitions that the channel asks for. */
  readonly partitionsWanted: number
}

/** A flat list of names and values, as HGETALL answers. */
export function toMap(reply: unknown): Map<string, string> {
  const map = new Map<string, string>()
  if (!Array.isArray(reply)) return map
  for (let i = 0; i + 1 < reply.length; i += 2) map.set(String(reply[i]), String(reply[i + 1]))
  return map
}

/** Answer of `tick`, or what it says instead: there is no such group, or no such member. */
export function readView(reply: Reply): GroupView | NoView {
  const [kind, , group, parts, members, info, types, wanted] = reply as readonly unknown[]
  if (kind !== 'ok') return kind as NoView
  const settings = toMap(group)
  const infos = toMap(info)
  return {
    paused: settings.get('paused') === '1',
    news: Number(settings.get('news')),
    order: settings.get('order') ?? 'key',
    concurrency: Number(settings.get('conc') ?? 0),
    partitions: partitionsOf(toMap(parts)),
    members: new Map((members as readonly string[]).map((id) => [id, JSON.parse(infos.get(id) ?? '[]') as string[]])),
    types: types as readonly string[],
    partitionsWanted: Number(wanted),
  }
}

/** Names of partitions among the fields of G:parts, in a settled order. */
export function partitionsOf(fields: ReadonlyMap<string, string>): PartitionView[] {
  const partitions: PartitionView[] = []
  for (const [field, epoch] of fields) {
    if (!field.endsWith(':e')) continue
    const name = field.slice(0, -2)
    const [residue, modulus] = name.split('/').map(Number) as [number, number]
    partitions.push({ name, residue, modulus, epoch: Number(epoch), owner: fields.get(`${name}:o`) ?? '', wants: fields.get(`${name}:w`) ?? '' })
  }
  return partitions.sort((a, b) => a.modulus - b.modulus || a.residue - b.residue)
}

/**
 * Which member should own which partition: the same for everybody who sees the same. A partition in which a type was found
 * that its owner lacked goes to a member that handles it, while there is one.
 */
export function planOwners(view: GroupView): ReadonlyMap<string, string> {
  const wants = new Map(view.partitions.map((partition) => [partition.name, partition.wants]))
  const members = [...view.members].map(([id, types]) => ({ id, types }))
  const plan = assignPartitions(
    view.partitions.map(({ name }) => name),
    members,
    mayOwnByTypes(members, (name) => wants.get(name) || undefined),
  )
  return new Map([...plan].map(([name, { id }]) => [name, id]))
}

interface StoredLane {
  readonly h: number
  readonly s: 'suspended' | 'parked'
  readonly d: number
  readonly n?: number
}

/** Lanes of a group that belong to one partition. */
export function lanesOf(reply: unknown, partition: { readonly name: string; readonly residue: number; readonly modulus: number }): ComparedLane[] {
  const lanes: ComparedLane[] = []
  const list = reply as readonly (string | number)[]
  for (let i = 0; i + 2 < list.length; i += 3) {
    const { h, s, d, n = 0 } = JSON.parse(String(list[i + 1])) as StoredLane
    if (h % partition.modulus !== partition.residue) continue
    lanes.push({ lane: String(list[i]), partition: partition.name, state: s, dueAtMs: d, count: Number(list[i + 2]), news: n })
  }
  return lanes
}

/** Answer of `take`. */
export function readTaken(reply: Reply): {
  readonly taken: readonly TakenPartition[]
  readonly attempts: ReadonlyMap<Position, Remembered>
  readonly lanes: unknown
} {
  const [rows, attempts, lanes] = reply as readonly [readonly (readonly [string, number, string, string, string, string, number])[], unknown, unknown]
  return {
    taken: rows.map(([name, epoch, cursor, done, claimed, suspectBefore, deaths]) => ({ name, epoch, cursor, done, claimed, suspectBefore, deaths })),
    attempts: new Map([...toMap(attempts)].map(([position, json]) => [position, JSON.parse(json) as Remembered])),
    lanes,
  }
}
