/** Moving a group along its log: replay, purge, removal; inside a write transaction. Every owner is fenced off. */
import { SluiceError } from '@sluice/core/transport'
import { type ChannelRow, dropGroup, type GroupRow } from '../group/declare.ts'
import { partitionRows } from '../group/ownership.ts'
import { decodeRanges, encodeRanges, isDone, type Progress, reopened } from '../group/progress.ts'
import { ChannelReader } from '../log/reader.ts'
import { unparkDeadLetters } from '../lot/dead-letter.ts'
import type { Database } from '../sqlite/connection.ts'
import { withdrawDeadLetters } from './dead-letters.ts'

interface Fenced {
  readonly modulus: number
  readonly residue: number
  readonly progress: Progress
  again: number
}

/** Delivers [from, to) again, positions; what is not finished there anyway is not counted. Returns how many come again. */
export function replayGroup(db: Database, channel: ChannelRow, group: GroupRow, from: number, to: number): number {
  if (from >= to) return 0
  const partitions: Fenced[] = partitionRows(db, group.id).map((row) => ({
    modulus: row.modulus,
    residue: row.residue,
    progress: { cursor: row.cursor, ranges: decodeRanges(row.done) },
    again: 0,
  }))
  // Messages before the group's start were never counted for it: they are now.
  const early = Math.max(0, Math.min(group.start_position, to) - from)
  const inLot = new Set(
    db
      .all<{ position: number }>(
        `SELECT e.position FROM lot_entry e JOIN lot_lane l ON l.id = e.lane_id WHERE l.group_id = ?1 AND (e.position >= ?2 AND e.position < ?3
           OR l.lane IN (SELECT lane FROM dead_letter WHERE group_id = ?1 AND parks = 1 AND position >= ?2 AND position < ?3))`,
        group.id,
        from,
        to,
      )
      .map(({ position }) => position),
  )
  if (inLot.size > 0)
    throw new SluiceError('UNSUPPORTED', `${inLot.size} messages of that time, or behind dead letters of it, wait in the parking lot of group ${group.name}`, {
      fix: 'Redrive or discard its dead letters first, or replay a time without them',
    })
  let count = 0
  const reader = new ChannelReader(db, channel.id, 0)
  for (let position = from; position < to; ) {
    const block = reader.next(position, 0)
    if (block === undefined) break
    for (let index = Math.max(0, position - block.first); index < block.count && block.first + index < to; index++) {
      const hash = block.hashAt(index)
      const partition = partitions.find((one) => hash % one.modulus === one.residue)
      if (partition === undefined || !isDone(partition.progress, block.first + index)) continue
      partition.again++
      count++
    }
    position = block.end
  }
  for (const partition of partitions) {
    const { cursor, ranges } = reopened(partition.progress, from, to)
    db.run(
      `UPDATE partition SET owner = NULL, epoch = epoch + 1, cursor = ?, done = ?, done_count = done_count - ? WHERE group_id = ? AND modulus = ? AND residue = ?`,
      cursor,
      encodeRanges(ranges),
      partition.again,
      group.id,
      partition.modulus,
      partition.residue,
    )
  }
  withdrawDeadLetters(db, group.id, Math.max(from, channel.first_position), to)
  if (early > 0) {
    // backlog = next - start - done: what lay before the start counts as done so far.
    db.run('UPDATE consumer_group SET start_position = ? WHERE id = ?', Math.min(from, group.start_position), group.id)
    db.run(
      'UPDATE partition SET done_count = done_count + ? WHERE group_id = ? AND residue = 0',
      group.start_position - Math.min(from, group.start_position),
      group.id,
    )
  }
  return count
}

/** Drops backlog and lot; dead letters stay, and park nothing any more. Returns how many messages were dropped. */
export function purgeGroup(db: Database, channel: ChannelRow, group: GroupRow): number {
  const { done } = db.one<{ done: number }>('SELECT coalesce(sum(done_count), 0) AS done FROM partition WHERE group_id = ?', group.id)
  const { lot } = db.one<{ lot: number }>('SELECT coalesce(sum(count), 0) AS lot FROM lot_lane WHERE group_id = ?', group.id)
  const left = channel.next_position - group.start_position - done
  db.run(
    "UPDATE partition SET owner = NULL, epoch = epoch + 1, cursor = ?1, done = '', claimed = ?1, deaths = 0, suspect_before = 0 WHERE group_id = ?2",
    channel.next_position,
    group.id,
  )
  // Whatever was split so far: one partition, and only one, has residue 0.
  db.run('UPDATE partition SET done_count = done_count + ? WHERE group_id = ? AND residue = 0', left, group.id)
  db.run('DELETE FROM lot_entry WHERE lane_id IN (SELECT id FROM lot_lane WHERE group_id = ?)', group.id)
  db.run('DELETE FROM lot_lane WHERE group_id = ?', group.id)
  unparkDeadLetters(db, group.id)
  db.run('DELETE FROM attempt WHERE group_id = ?', group.id)
  return left + lot
}

/** Forgets a group; refuses while it has live members. */
export function removeGroup(db: Database, group: GroupRow): void {
  const { members } = db.one<{ members: number }>('SELECT count(*) AS members FROM member WHERE group_id = ?', group.id)
  if (members > 0)
    throw new SluiceError('INVALID_OPTION', `group ${group.name} has ${members} live consumers`, { fix: 'Stop the services that consume it first' })
  dropGroup(db, group.id)
}
