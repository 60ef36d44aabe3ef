/** Groups: partitions that cover every key once, cursors inside the log, counters that are true, owners that exist. */
import { decodeRanges, isDone } from '../group/progress.ts'
import { ChannelReader } from '../log/reader.ts'
import type { Database } from '../sqlite/connection.ts'
import type { Findings } from './findings.ts'

interface Group {
  readonly id: number
  readonly name: string
  readonly channel_id: number
  readonly channel: string | null
  readonly order_by: string
  readonly start_position: number
  readonly first_position: number
  readonly next_position: number
}

interface Partition {
  readonly modulus: number
  readonly residue: number
  readonly cursor: number
  readonly done: string
  readonly done_count: number
  readonly claimed: number
  readonly epoch: number
  readonly owner_group: number | null
}

const nothingLost = 'a wrong figure in inspect; no message is lost by it'

/** Returns the number of groups. */
export function checkGroups(db: Database, findings: Findings): number {
  const groups = db.all<Group>(
    `SELECT g.id, g.name, g.channel_id, c.name AS channel, g.order_by, g.start_position, c.first_position, c.next_position
     FROM consumer_group g LEFT JOIN channel c ON c.id = g.channel_id ORDER BY g.id`,
  )
  for (const group of groups) {
    if (group.channel === null) findings.error('ORPHAN', `group ${group.name}`, 'its channel does not exist', 'it gets no messages')
    else checkGroup(db, group, findings)
  }
  for (const table of ['partition', 'attempt', 'group_type', 'member', 'lot_lane', 'dead_letter']) {
    const { rows } = db.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE group_id NOT IN (SELECT id FROM consumer_group)`)
    if (rows > 0)
      findings.error(
        'ORPHAN',
        table,
        `${rows} rows belong to no group`,
        table === 'lot_lane' || table === 'dead_letter' ? 'messages nobody can reach' : 'they take room',
      )
  }
  const { members } = db.one<{ members: number }>('SELECT count(*) AS members FROM member WHERE process_id NOT IN (SELECT id FROM process)')
  if (members > 0)
    findings.error(
      'MEMBER',
      'member',
      `${members} members belong to no process`,
      'partitions wait for a consumer that no lease ever ends',
      'Restart all services of the group; if they stay, restore a backup',
    )
  return groups.length
}

function checkGroup(db: Database, group: Group, findings: Findings): void {
  const where = `group ${group.name} of ${group.channel}`
  if (!['key', 'channel', 'none'].includes(group.order_by))
    findings.error('GROUP', where, `has the order ${JSON.stringify(group.order_by)}`, 'nobody can join it')
  if (group.start_position < 1 || group.start_position > group.next_position)
    findings.error('GROUP', where, `starts at ${group.start_position}, the log ends at ${group.next_position}`, nothingLost)
  const partitions = db.all<Partition>(
    `SELECT modulus, residue, cursor, done, done_count, claimed, epoch, (SELECT group_id FROM member WHERE id = owner) AS owner_group
     FROM partition WHERE group_id = ? ORDER BY modulus, residue`,
    group.id,
  )
  if (!coverOnce(partitions)) {
    findings.error('PARTITIONS', where, 'its partitions do not cover every key exactly once', 'messages are delivered to nobody, or twice')
    return
  }
  let readable = true
  for (const partition of partitions) if (!checkPartition(group, partition, where, findings)) readable = false
  if (readable) checkCounter(db, group, partitions, where, findings)
}

/** Moduli are m × 2^k: the largest is a multiple of all. */
function coverOnce(partitions: readonly Partition[]): boolean {
  const largest = Math.max(0, ...partitions.map(({ modulus }) => modulus))
  if (!Number.isSafeInteger(largest) || largest < 1 || largest > 1_000_000) return false
  const covered = new Uint8Array(largest)
  for (const { modulus, residue } of partitions) {
    if (modulus < 1 || largest % modulus !== 0 || residue < 0 || residue >= modulus) return false
    for (let at = residue; at < largest; at += modulus) {
      if (covered[at] !== 0) return false
      covered[at] = 1
    }
  }
  return !covered.includes(0)
}

function checkPartition(group: Group, partition: Partition, where: string, findings: Findings): boolean {
  const here = `${where}, partition ${partition.residue}/${partition.modulus}`
  const { cursor } = partition
  if (!Number.isSafeInteger(cursor) || cursor < 1 || cursor > group.next_position) {
    findings.error('CURSOR', here, `its cursor is ${cursor}, the log ends at ${group.next_position}`, 'messages are skipped')
    return false
  }
  if (cursor < group.first_position)
    findings.error('CURSOR', here, `its cursor is ${cursor}, the log begins at ${group.first_position}`, 'messages were trimmed before the group had them')
  if (partition.owner_group !== null && partition.owner_group !== group.id)
    findings.error('OWNER', here, 'is owned by a member of another group', 'nobody consumes it until that member leaves', 'Restart all services of both groups')
  // Not done_count: a split gives all of it to one half, a replay takes from both. The sum over the group is what counts.
  if (partition.epoch < 0 || partition.claimed < 0) findings.error('PARTITION', here, 'has a negative figure', nothingLost)
  const ranges = readRanges(partition.done)
  if (ranges === undefined) {
    findings.error('DONE_RANGES', here, 'what is done beyond its cursor cannot be read', 'nobody can own it: its messages wait')
    return false
  }
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i] as number
    const to = ranges[i + 1] as number
    const before = i === 0 ? 0 : (ranges[i - 1] as number)
    if (from < to && from >= before && to <= group.next_position) continue
    findings.error('DONE_RANGES', here, `says that [${from}, ${to}) is done, which cannot be`, 'messages may be skipped')
    return false
  }
  return true
}

function readRanges(text: string): number[] | undefined {
  try {
    const ranges: unknown = decodeRanges(text)
    return Array.isArray(ranges) && ranges.length % 2 === 0 && ranges.every(Number.isSafeInteger) ? (ranges as number[]) : undefined
  } catch {
    return undefined
  }
}

/** backlog = stored − start − done must be what is really not done. */
function checkCounter(db: Database, group: Group, partitions: readonly Partition[], where: string, findings: Findings): void {
  const counted = group.next_position - group.start_position - partitions.reduce((sum, { done_count: count }) => sum + count, 0)
  const largest = Math.max(...partitions.map(({ modulus }) => modulus))
  const progressOf = new Array<{ readonly cursor: number; readonly ranges: readonly number[] }>(largest)
  for (const partition of partitions) {
    const progress = { cursor: partition.cursor, ranges: decodeRanges(partition.done) }
    for (let at = partition.residue; at < largest; at += partition.modulus) progressOf[at] = progress
  }
  const reader = new ChannelReader(db, group.channel_id, 0)
  let open = 0
  for (let position = Math.max(group.first_position, Math.min(...partitions.map(({ cursor }) => cursor))); ; ) {
    const block = reader.next(position, 0)
    if (block === undefined) break
    // What is damaged is found by the walk over the log.
    if (block.placeFault !== undefined) return
    for (let index = Math.max(0, position - block.first); index < block.count; index++) {
      const progress = progressOf[block.hashAt(index) % largest]
      if (progress !== undefined && !isDone(progress, block.first + index)) open++
    }
    position = block.end
  }
  if (open !== counted)
    findings.error(
      'COUNTER',
      where,
      `counts a backlog of ${counted}, and ${open} messages are not done`,
      nothingLost,
      'Nothing is lost; restore a backup or ignore the figure',
    )
}
