/** The parking lot's rows, inside a write transaction. */
import { crc32 } from 'node:zlib'
import type { AttemptRecord, LotLane } from '@sluice/core/transport'
import { entryProof, laneProof } from '../file/format.ts'
import type { LogDelivery } from '../group/log-delivery.ts'
import { damagedRow, encodeEnvelope, placeOf } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import type { LotDelivery, LotEntryRow } from './lot-delivery.ts'

export interface LaneRow {
  readonly id: number
  readonly lane: string
  readonly hash: number
  readonly state: 'suspended' | 'parked'
  readonly due_at_ms: number
  readonly count: number
  /** Number of the commit that last changed it from outside (redrive, discard), for its owner to hear of; 0: none did. */
  readonly news: number
  readonly lane_sum: number
  /** 1: its numbers are what was written. */
  readonly whole: number
}

const laneColumns = `id, lane, hash, state, due_at_ms, count, news, lane_sum, proof IS ${laneProof} AS whole`
const entryColumns =
  'id, lane_id, seq, position, stored_at_ms, attempt, deliveries, not_before_ms, first_delivered_at_ms, note, redrives, attributes, body, size_bytes, checksum, ' +
  `proof IS ${entryProof} AS whole`

/** What of an entry never changes, beside the message: its checksum covers that; `proof` covers the rest. */
export function entryPlace(position: number, storedAtMs: number, redrives: number): string {
  return placeOf(position, storedAtMs, redrives)
}

/** A lane that is not what was written would let its messages wait for ever, or overtake. Throws STORE_CORRUPT. */
export function intact(row: LaneRow): LaneRow {
  if (row.whole !== 1 || crc32(row.lane) !== row.lane_sum) throw damagedRow(`lane ${row.id} of the parking lot`)
  return row
}

export function laneByName(db: Database, groupId: number, lane: string): LaneRow | undefined {
  const row = db.get<LaneRow>(`SELECT ${laneColumns} FROM lot_lane WHERE group_id = ? AND lane = ?`, groupId, lane)
  return row === undefined ? undefined : intact(row)
}

/** Lanes of a group by name, not checked: `intact` does that, lane by lane. */
export function lanesByName(db: Database, groupId: number, lanes: readonly string[]): Map<string, LaneRow> {
  const rows = db.all<LaneRow>(
    `SELECT ${laneColumns} FROM lot_lane WHERE group_id = ? AND lane IN (SELECT value FROM json_each(?))`,
    groupId,
    JSON.stringify(lanes),
  )
  return new Map(rows.map((row) => [row.lane, row]))
}

/** `news`: the commit that makes it, where the owner is to be told; 0, the default, where the owner itself makes it. */
export function makeLane(
  db: Database,
  groupId: number,
  lane: string,
  hash: number,
  at: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
  news = 0,
): LaneRow {
  return db.one<LaneRow>(
    `INSERT INTO lot_lane (group_id, lane, lane_sum, hash, state, due_at_ms, count, news) VALUES (?, ?, ?, ?, ?, ?, 0, ?) RETURNING ${laneColumns}`,
    groupId,
    lane,
    crc32(lane),
    hash,
    at.state,
    at.dueAtMs,
    news,
  )
}

/** A group's lanes in the order of their names, from the one after `after` ('': the first), at most `countMax`. */
export function lanesAfter(db: Database, groupId: number, after: string, countMax: number): LaneRow[] {
  return db.all<LaneRow>(`SELECT ${laneColumns} FROM lot_lane WHERE group_id = ? AND lane > ? ORDER BY lane LIMIT ?`, groupId, after, countMax).map(intact)
}

/** Lanes of a group that were changed from outside by a commit after `seq`. */
export function lanesChangedSince(db: Database, groupId: number, seq: number): LaneRow[] {
  return db.all<LaneRow>(`SELECT ${laneColumns} FROM lot_lane WHERE group_id = ? AND news > 0 AND news > ? ORDER BY id`, groupId, seq).map(intact)
}

export function describeLane(row: LaneRow, partition: string): LotLane {
  return { lane: row.lane, partition, state: row.state, dueAtMs: row.due_at_ms, count: row.count }
}

/** A lane's first messages, not checked: `intactEntry` does that. */
export function entriesOf(db: Database, laneId: number, countMax: number): LotEntryRow[] {
  return db.all<LotEntryRow>(`SELECT ${entryColumns} FROM lot_entry WHERE lane_id = ? ORDER BY seq LIMIT ?`, laneId, countMax)
}

/** All messages of several lanes, by lane and in order, not checked. One statement for many lanes costs a third of one for each. */
export function entriesOfLanes(db: Database, laneIds: readonly number[]): Map<number, LotEntryRow[]> {
  const byLane = new Map<number, LotEntryRow[]>()
  const rows = db.all<LotEntryRow>(
    `SELECT ${entryColumns} FROM lot_entry WHERE lane_id IN (SELECT value FROM json_each(?)) ORDER BY lane_id, seq`,
    JSON.stringify(laneIds),
  )
  for (const row of rows) {
    const entries = byLane.get(row.lane_id)
    if (entries === undefined) byLane.set(row.lane_id, [row])
    else entries.push(row)
  }
  return byLane
}

/** Throws STORE_CORRUPT where an entry's place or progress is not what was written. */
export function intactEntry(row: LotEntryRow): LotEntryRow {
  if (row.whole !== 1) throw damagedRow(`message ${row.id} of the parking lot`)
  return row
}

/** Copies deliveries to the end of a lane. */
export function appendToLane(db: Database, lane: LaneRow, deliveries: readonly (LogDelivery | LotDelivery)[], first: AttemptRecord | undefined): void {
  const { seq } = db.one<{ seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM lot_entry WHERE lane_id = ?', lane.id)
  deliveries.forEach((delivery, i) => {
    const newer = i === 0 ? first : undefined
    const position = delivery.fromLot ? delivery.row.position : delivery.position
    const redrives = delivery.fromLot ? delivery.row.redrives : 0
    const { attributes, body, checksum } = encodeEnvelope(db, entryPlace(position, delivery.storedAtMs, redrives), delivery.envelope)
    db.run(
      `INSERT INTO lot_entry (lane_id, seq, position, stored_at_ms, attempt, deliveries, not_before_ms, first_delivered_at_ms, note, redrives, attributes, body, size_bytes, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      lane.id,
      seq + 1 + i,
      position,
      delivery.storedAtMs,
      newer?.attempt ?? delivery.attempt,
      delivery.deliveries + 1,
      newer?.notBeforeMs ?? delivery.notBeforeMs,
      newer?.firstDeliveredAtMs ?? delivery.firstDeliveredAtMs ?? null,
      newer === undefined ? (delivery.note ?? null) : (newer.note ?? null),
      redrives,
      attributes,
      body,
      delivery.sizeBytes,
      checksum,
    )
  })
  db.run('UPDATE lot_lane SET count = count + ? WHERE id = ?', deliveries.length, lane.id)
}

/** Takes a settled entry out of its lane; a suspended lane is gone with its last one. */
export function removeLotEntry(db: Database, row: LotEntryRow): void {
  if (db.run('DELETE FROM lot_entry WHERE id = ?', row.id) === 0) return
  if (db.run("DELETE FROM lot_lane WHERE id = ? AND count = 1 AND state = 'suspended'", row.lane_id) === 0)
    db.run('UPDATE lot_lane SET count = count - 1 WHERE id = ?', row.lane_id)
}

/** Takes away a lane that a discard opened and left empty. */
export function removeEmptyLane(db: Database, laneId: number): void {
  db.run("DELETE FROM lot_lane WHERE id = ? AND count = 0 AND state = 'suspended'", laneId)
}
