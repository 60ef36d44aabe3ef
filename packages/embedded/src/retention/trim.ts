/** Trimming one channel's log, inside a write transaction: whole blocks, from the oldest, a bounded number at a time. */
import { partitionRows } from '../group/ownership.ts'
import { decodeRanges, encodeRanges, isDone, skippedTo } from '../group/progress.ts'
import { ChannelReader } from '../log/reader.ts'
import type { Database } from '../sqlite/connection.ts'

/** Kept where a channel states nothing: a week, and a gibibyte. Never below the slowest group unless the channel says so. */
export const ageMsDefault: number = 7 * 24 * 3_600_000
export const bytesDefault: number = 1024 * 1024 * 1024
const blocksMax = 64

export interface RetentionRow {
  readonly id: number
  readonly first_position: number
  readonly kept_bytes: number
  readonly retention_age_ms: number | null
  readonly retention_bytes: number | null
  readonly retention_keeps: number
}

interface OldBlock {
  readonly id: number
  readonly first: number
  readonly count: number
  readonly bytes: number
  readonly stored_at_ms: number
}

/** Channels that may have something to trim; a short read without a lock. */
export function channelsToTrim(db: Database, nowMs: number): RetentionRow[] {
  return db.all<RetentionRow>(
    `SELECT id, first_position, kept_bytes, retention_age_ms, retention_bytes, retention_keeps FROM channel
     WHERE kept_bytes > 0 AND (kept_bytes > coalesce(retention_bytes, ?1)
       OR (SELECT stored_at_ms FROM block WHERE id >= ((channel.id << 44) | first_position) ORDER BY id LIMIT 1) < ?2 - coalesce(retention_age_ms, ?3))`,
    bytesDefault,
    nowMs,
    ageMsDefault,
  )
}

/** Trims what is too old or too much and, unless the channel says otherwise, what every group is done with. Returns blocks removed. */
export function trimChannel(db: Database, channel: RetentionRow, nowMs: number): number {
  const slowest = channel.retention_keeps === 1 ? slowestCursor(db, channel.id) : Number.MAX_SAFE_INTEGER
  const oldest = db.all<OldBlock>(
    `SELECT id, id & 17592186044415 AS first, count, bytes, stored_at_ms FROM block WHERE id >= ((?1 << 44) | ?2) AND id < ((?1 + 1) << 44) ORDER BY id LIMIT ?3`,
    channel.id,
    channel.first_position,
    blocksMax,
  )
  let keptBytes = channel.kept_bytes
  let end = channel.first_position
  let removed = 0
  for (const block of oldest) {
    const tooMuch = keptBytes > (channel.retention_bytes ?? bytesDefault)
    const tooOld = block.stored_at_ms < nowMs - (channel.retention_age_ms ?? ageMsDefault)
    if (!(tooMuch || tooOld) || block.first + block.count > slowest) break
    keptBytes -= block.bytes
    end = block.first + block.count
    removed++
  }
  if (removed === 0) return 0
  if (channel.retention_keeps === 0) skipSlowGroups(db, channel.id, end)
  db.run('DELETE FROM block WHERE id >= ((?1 << 44) | ?2) AND id < ((?1 << 44) | ?3)', channel.id, channel.first_position, end)
  db.run('UPDATE channel SET first_position = ?, kept_bytes = ? WHERE id = ?', end, keptBytes, channel.id)
  return removed
}

function slowestCursor(db: Database, channelId: number): number {
  const row = db.one<{ cursor: number | null }>(
    'SELECT min(p.cursor) AS cursor FROM partition p JOIN consumer_group g ON g.id = p.group_id WHERE g.channel_id = ?',
    channelId,
  )
  return row.cursor ?? Number.MAX_SAFE_INTEGER
}

/** The channel does not wait for slow groups: what they had not finished before `end` is counted and given up; owners are fenced. */
function skipSlowGroups(db: Database, channelId: number, end: number): void {
  const reader = new ChannelReader(db, channelId, 0)
  for (const { id: groupId } of db.all<{ id: number }>('SELECT id FROM consumer_group WHERE channel_id = ?', channelId)) {
    for (const row of partitionRows(db, groupId)) {
      if (row.cursor >= end) continue
      const progress = { cursor: row.cursor, ranges: decodeRanges(row.done) }
      let lost = 0
      for (let position = row.cursor; position < end; ) {
        const block = reader.next(position, 0)
        if (block === undefined) break
        // Damaged: what it held is lost, but nobody can say how much of it was this group's.
        if (block.placeFault !== undefined) {
          position = block.end
          continue
        }
        for (let index = Math.max(0, position - block.first); index < block.count && block.first + index < end; index++) {
          if (block.hashAt(index) % row.modulus === row.residue && !isDone(progress, block.first + index)) lost++
        }
        position = block.end
      }
      const { cursor, ranges } = skippedTo(progress, end)
      db.run(
        'UPDATE partition SET owner = NULL, epoch = epoch + 1, cursor = ?, done = ?, done_count = done_count + ? WHERE group_id = ? AND modulus = ? AND residue = ?',
        cursor,
        encodeRanges(ranges),
        lost,
        groupId,
        row.modulus,
        row.residue,
      )
      db.run('DELETE FROM attempt WHERE group_id = ? AND position < ?', groupId, cursor)
      if (lost > 0) db.run('UPDATE channel SET trimmed_unread = trimmed_unread + ? WHERE id = ?', lost, channelId)
    }
  }
}
