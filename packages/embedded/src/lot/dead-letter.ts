/** Storing dead letters, inside the transaction that also settles their originals. */
import type { DeadLetterRecord } from '@sluice/core/transport'
import type { LogDelivery } from '../group/log-delivery.ts'
import type { Member } from '../group/member.ts'
import { encodeEnvelope, isWhole, placeOf, rowChecksum } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import type { LotDelivery } from './lot-delivery.ts'
import { laneByName, makeLane } from './lot-rows.ts'

/** The columns of a dead letter that its checksum covers beside the message: all of them. */
export interface DeadLetterPlace {
  readonly group_id: number
  readonly lane: string
  readonly parks: number
  readonly hash: number
  readonly type: string
  readonly key: string | null
  readonly fingerprint: string
  readonly position: number
  readonly stored_at_ms: number
  readonly reason: string
  readonly redrives: number
  readonly size_bytes: number
}

export function deadLetterPlace(row: DeadLetterPlace): string {
  const { group_id: groupId, lane, parks, hash, type, key, fingerprint, position, stored_at_ms: storedAtMs, reason, redrives, size_bytes: sizeBytes } = row
  return placeOf(groupId, lane, parks, hash, type, key, fingerprint, position, storedAtMs, reason, redrives, sizeBytes)
}

export function deadLetterFromLog(db: Database, member: Member, record: DeadLetterRecord, delivery: LogDelivery): void {
  insert(db, member, record, delivery, delivery.position, 0)
}

export function deadLetterFromLot(db: Database, member: Member, record: DeadLetterRecord, delivery: LotDelivery): void {
  insert(db, member, record, delivery, delivery.row.position, delivery.row.redrives)
}

function insert(db: Database, member: Member, record: DeadLetterRecord, delivery: LogDelivery | LotDelivery, position: number, redrives: number): void {
  const { envelope, hash } = delivery
  // An unkeyed message has no successors to park, unless the whole channel is one lane.
  const parks =
    record.mode === 'park' && (member.subscription.order === 'channel' || (member.subscription.order === 'key' && envelope.partitionkey !== undefined))
  if (parks) {
    const lane = laneByName(db, member.groupId, record.lane) ?? makeLane(db, member.groupId, record.lane, hash, { state: 'parked', dueAtMs: 0 })
    db.run("UPDATE lot_lane SET state = 'parked', due_at_ms = 0 WHERE id = ?", lane.id)
  }
  const row = {
    group_id: member.groupId,
    lane: record.lane,
    parks: parks ? 1 : 0,
    hash,
    type: envelope.type,
    key: envelope.partitionkey ?? null,
    fingerprint: record.reason.fingerprint,
    position,
    stored_at_ms: delivery.storedAtMs,
    reason: JSON.stringify(record.reason),
    redrives,
    size_bytes: delivery.sizeBytes,
  }
  const { attributes, body, checksum } = encodeEnvelope(db, deadLetterPlace(row), envelope)
  db.run(
    `INSERT INTO dead_letter (group_id, lane, parks, hash, type, key, fingerprint, position, stored_at_ms, reason, redrives, attributes, body, size_bytes, checksum)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.group_id,
    row.lane,
    row.parks,
    row.hash,
    row.type,
    row.key,
    row.fingerprint,
    row.position,
    row.stored_at_ms,
    row.reason,
    row.redrives,
    attributes,
    body,
    row.size_bytes,
    checksum,
  )
}

/** Dead letters of a group park nothing any more: what they held is gone. */
export function unparkDeadLetters(db: Database, groupId: number): void {
  const rows = db.all<DeadLetterPlace & { readonly id: number; readonly attributes: string; readonly body: string | Uint8Array; readonly checksum: number }>(
    'SELECT id, group_id, lane, parks, hash, type, key, fingerprint, position, stored_at_ms, reason, redrives, size_bytes, attributes, body, checksum FROM dead_letter WHERE group_id = ? AND parks = 1',
    groupId,
  )
  for (const row of rows) {
    // A damaged one stays so.
    const whole = isWhole(db, deadLetterPlace(row), row.attributes, row)
    const checksum = whole ? rowChecksum(db, deadLetterPlace({ ...row, parks: 0 }), row.attributes, row.body) : row.checksum
    db.run('UPDATE dead_letter SET parks = 0, checksum = ? WHERE id = ?', checksum, row.id)
  }
}
