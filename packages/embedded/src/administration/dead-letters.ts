/** Dead letters from outside: list, redrive, discard. */
import type { DeadLetter, DeadLetterQuery, DeadLetterReason } from '@sluice/core/transport'
import { damagedRow, decodeEnvelope, isWhole, rowChecksum } from '../log/envelope-row.ts'
import { type DeadLetterPlace, deadLetterPlace } from '../lot/dead-letter.ts'
import { entryPlace, type LaneRow, laneByName, makeLane } from '../lot/lot-rows.ts'
import type { Database } from '../sqlite/connection.ts'

interface DeadLetterRow extends DeadLetterPlace {
  readonly id: number
  readonly attributes: string
  readonly body: string | Uint8Array
  readonly checksum: number
  readonly behind: number | null
}

type RemovedDeadLetter = Pick<DeadLetterRow, 'id' | 'lane' | 'parks'>

function matching(db: Database, groupId: number, query: DeadLetterQuery): DeadLetterRow[] {
  const list = (values: readonly (string | number)[] | undefined): string | null => (values === undefined ? null : JSON.stringify(values))
  return db.all<DeadLetterRow>(
    `SELECT d.id, d.group_id, d.lane, d.parks, d.hash, d.type, d.key, d.fingerprint, d.position, d.stored_at_ms, d.reason, d.redrives, d.attributes, d.body, d.size_bytes, d.checksum,
       (SELECT count FROM lot_lane l WHERE d.parks = 1 AND l.group_id = d.group_id AND l.lane = d.lane AND l.state = 'parked') AS behind
     FROM dead_letter d WHERE group_id = ?1
       AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
       AND (?3 IS NULL OR type IN (SELECT value FROM json_each(?3)))
       AND (?4 IS NULL OR key IN (SELECT value FROM json_each(?4)))
       AND (?5 IS NULL OR fingerprint = ?5) AND id > ?6
     ORDER BY id LIMIT ?7`,
    groupId,
    list(query.deadLetterIds?.map(Number).filter(Number.isSafeInteger)),
    list(query.types),
    list(query.keys),
    query.fingerprint ?? null,
    query.after === undefined ? 0 : Number(query.after),
    query.limit ?? -1,
  )
}

export function listDeadLetters(db: Database, groupId: number, query: DeadLetterQuery, path: string): DeadLetter[] {
  return matching(db, groupId, query).map((row) => ({
    deadLetterId: String(row.id).padStart(12, '0'),
    envelope: decodeEnvelope(db, deadLetterPlace(row), row, path),
    reason: JSON.parse(row.reason) as DeadLetterReason,
    parkedBehind: row.behind ?? 0,
    redrives: row.redrives,
  }))
}

/** Each becomes the head of its lane again (made if missing), to be drained at once. */
export function redriveDeadLetters(db: Database, groupId: number, query: DeadLetterQuery): number {
  const rows = matching(db, groupId, query)
  for (const row of rows) {
    if (!isWhole(db, deadLetterPlace(row), row.attributes, row)) throw damagedRow(`the dead letter ${row.id}`)
    db.run('DELETE FROM dead_letter WHERE id = ?', row.id)
    const lane = laneByName(db, groupId, row.lane) ?? makeLane(db, groupId, row.lane, row.hash, { state: 'suspended', dueAtMs: 0 })
    // Before everything stored after it: several dead letters of a lane come back in their order.
    const next = db.get<{ seq: number }>('SELECT min(seq) AS seq FROM lot_entry WHERE lane_id = ? AND position > ?', lane.id, row.position)
    const seq = next === undefined || next.seq === null ? lastSeq(db, lane) + 1 : makeRoom(db, lane, next.seq)
    db.run(
      `INSERT INTO lot_entry (lane_id, seq, position, stored_at_ms, attempt, deliveries, not_before_ms, first_delivered_at_ms, note, redrives, attributes, body, size_bytes, checksum)
       VALUES (?, ?, ?, ?, 0, 0, 0, NULL, NULL, ?, ?, ?, ?, ?)`,
      lane.id,
      seq,
      row.position,
      row.stored_at_ms,
      row.redrives + 1,
      row.attributes,
      row.body,
      row.size_bytes,
      rowChecksum(db, entryPlace(row.position, row.stored_at_ms, row.redrives + 1), row.attributes, row.body),
    )
    db.run('UPDATE lot_lane SET count = count + 1 WHERE id = ?', lane.id)
    open(db, groupId, lane, row)
  }
  return rows.length
}

export function discardDeadLetters(db: Database, groupId: number, query: DeadLetterQuery): number {
  return discard(db, groupId, matching(db, groupId, query))
}

/** A replay of [from, to) brings their messages back: dead letters of them would bring them a second time. */
export function withdrawDeadLetters(db: Database, groupId: number, from: number, to: number): void {
  const inRange = 'SELECT id, lane, parks FROM dead_letter WHERE group_id = ? AND position >= ? AND position < ?'
  discard(db, groupId, db.all<RemovedDeadLetter>(inRange, groupId, from, to))
}

function discard(db: Database, groupId: number, rows: readonly RemovedDeadLetter[]): number {
  for (const row of rows) {
    db.run('DELETE FROM dead_letter WHERE id = ?', row.id)
    const lane = row.parks === 1 ? laneByName(db, groupId, row.lane) : undefined
    if (lane === undefined) continue
    // Also one that is empty now: its owner must hear of it, and takes it away.
    open(db, groupId, lane, row)
  }
  return rows.length
}

/** A parked lane opens with the last dead letter that parks it; a suspended one is drained at once. */
function open(db: Database, groupId: number, lane: LaneRow, row: RemovedDeadLetter): void {
  const other = db.get('SELECT 1 FROM dead_letter WHERE group_id = ? AND lane = ? AND parks = 1', groupId, row.lane)
  if (lane.state === 'parked' && (row.parks === 0 || other !== undefined)) return
  db.run("UPDATE lot_lane SET state = 'suspended', due_at_ms = 0, news = (SELECT commit_seq FROM state) WHERE id = ?", lane.id)
}

function lastSeq(db: Database, lane: LaneRow): number {
  return db.one<{ seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM lot_entry WHERE lane_id = ?', lane.id).seq
}

/** Frees the number `seq` by moving what stands before it one down: usually nothing, the head's place. */
function makeRoom(db: Database, lane: LaneRow, seq: number): number {
  const before = db.all<{ id: number; seq: number }>('SELECT id, seq FROM lot_entry WHERE lane_id = ? AND seq < ? ORDER BY seq', lane.id, seq)
  if (before.length === 0 || (before[before.length - 1] as { seq: number }).seq < seq - 1) return seq - 1
  for (const row of before) db.run('UPDATE lot_entry SET seq = ? WHERE id = ?', row.seq - 1, row.id)
  return seq - 1
}
