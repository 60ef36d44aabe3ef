/** The parking lot's rows, inside a write transaction. */
import type { AttemptRecord } from '@sluice/core/transport'
import type { LogDelivery } from '../group/log-delivery.ts'
import type { ComparedLane } from '../group/owned-partition.ts'
import { encodeEnvelope } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import type { LotDelivery, LotEntryRow } from './lot-delivery.ts'

export interface LaneRow {
  readonly id: number
  readonly lane: string
  readonly hash: number
  readonly state: 'suspended' | 'parked'
  readonly due_at_ms: number
  readonly count: number
  /** Number of the commit that made it, or last changed it from outside: another one than the owner was told of is news. */
  readonly news: number
}

const laneColumns = 'id, lane, hash, state, due_at_ms, count, news'
export const entryColumns =
  'id, lane_id, seq, position, stored_at_ms, attempt, deliveries, not_before_ms, first_delivered_at_ms, note, redrives, attributes, body, size_bytes, checksum'

export function laneByName(db: Database, groupId: number, lane: string): LaneRow | undefined {
  return db.get<LaneRow>(`SELECT ${laneColumns} FROM lot_lane WHERE group_id = ? AND lane = ?`, groupId, lane)
}

export function makeLane(db: Database, groupId: number, lane: string, hash: number, state: 'suspended' | 'parked', dueAtMs: number): LaneRow {
  return db.one<LaneRow>(
    `INSERT INTO lot_lane (group_id, lane, hash, state, due_at_ms, count, news) VALUES (?, ?, ?, ?, ?, 0, (SELECT commit_seq FROM state)) RETURNING ${laneColumns}`,
    groupId,
    lane,
    hash,
    state,
    dueAtMs,
  )
}

/** Lanes of one partition. */
export function lanesOf(db: Database, groupId: number, modulus: number, residue: number): ComparedLane[] {
  return db
    .all<LaneRow>(`SELECT ${laneColumns} FROM lot_lane WHERE group_id = ? AND hash % ? = ? ORDER BY id`, groupId, modulus, residue)
    .map((row) => describeLane(row, `${residue}/${modulus}`))
}

function describeLane(row: LaneRow, partition: string): ComparedLane {
  return { lane: row.lane, partition, state: row.state, dueAtMs: row.due_at_ms, count: row.count, news: row.news }
}

/** Copies deliveries to the end of a lane. */
export function appendToLane(db: Database, lane: LaneRow, deliveries: readonly (LogDelivery | LotDelivery)[], first: AttemptRecord | undefined): void {
  const { seq } = db.one<{ seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM lot_entry WHERE lane_id = ?', lane.id)
  deliveries.forEach((delivery, i) => {
    const { attributes, body, checksum } = encodeEnvelope(db, delivery.envelope)
    const newer = i === 0 ? first : undefined
    db.run(
      `INSERT INTO lot_entry (lane_id, seq, position, stored_at_ms, attempt, deliveries, not_before_ms, first_delivered_at_ms, note, redrives, attributes, body, size_bytes, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      lane.id,
      seq + 1 + i,
      delivery.fromLot ? delivery.row.position : delivery.position,
      delivery.storedAtMs,
      newer?.attempt ?? delivery.attempt,
      delivery.deliveries + 1,
      newer?.notBeforeMs ?? delivery.notBeforeMs,
      newer?.firstDeliveredAtMs ?? delivery.firstDeliveredAtMs ?? null,
      newer === undefined ? (delivery.note ?? null) : (newer.note ?? null),
      delivery.fromLot ? delivery.row.redrives : 0,
      attributes,
      body,
      delivery.sizeBytes,
      checksum,
    )
  })
  db.run('UPDATE lot_lane SET count = count + ? WHERE id = ?', deliveries.length, lane.id)
}

/** Takes a settled entry out of its lane; a suspended lane is gone with its last one: then true. */
export function removeLotEntry(db: Database, row: LotEntryRow): boolean {
  if (db.run('DELETE FROM lot_entry WHERE id = ?', row.id) === 0) return false
  db.run('UPDATE lot_lane SET count = count - 1 WHERE id = ?', row.lane_id)
  return db.run("DELETE FROM lot_lane WHERE id = ? AND count = 0 AND state = 'suspended'", row.lane_id) === 1
}
