/** Storing dead letters, inside the transaction that also settles their originals. */
import type { DeadLetterRecord } from '@sluice/core/transport'
import type { LogDelivery } from '../group/log-delivery.ts'
import type { Member } from '../group/member.ts'
import { encodeEnvelope } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import type { LotDelivery } from './lot-delivery.ts'
import { laneByName, makeLane } from './lot-rows.ts'

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
  const { attributes, body, checksum } = encodeEnvelope(db, envelope)
  db.run(
    `INSERT INTO dead_letter (group_id, lane, parks, hash, type, key, fingerprint, position, stored_at_ms, reason, redrives, attributes, body, size_bytes, checksum)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    member.groupId,
    record.lane,
    parks ? 1 : 0,
    hash,
    envelope.type,
    envelope.partitionkey ?? null,
    record.reason.fingerprint,
    position,
    delivery.storedAtMs,
    JSON.stringify(record.reason),
    redrives,
    attributes,
    body,
    delivery.sizeBytes,
    checksum,
  )
}
