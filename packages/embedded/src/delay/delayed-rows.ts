/** Delayed messages, inside a write transaction. `state.next_due_ms` is the earliest due time, for everybody's timers. */
import type { OutgoingMessage } from '@sluice/core/transport'
import { keyHash } from '@sluice/core/transport'
import { appendMessages } from '../log/append.ts'
import type { BlockEntry } from '../log/encode-block.ts'
import { encodeEnvelope, envelopeOf, isWhole, placeOf } from '../log/envelope-row.ts'
import { unkeyedHash } from '../log/unkeyed-hash.ts'
import type { Database } from '../sqlite/connection.ts'

/** The last time that a date can have: no message is due then. */
const neverMs = 8_640_000_000_000_000

export interface DelayedRow {
  readonly id: number
  readonly channel_id: number
  readonly due_at_ms: number
  readonly message_id: string
  readonly attributes: string
  readonly body: string | Uint8Array
  readonly size_bytes: number
  readonly checksum: number
}

/** What of a delayed row its checksum covers beside the message. */
export function delayedPlace(channelId: number, dueAtMs: number, messageId: string, sizeBytes: number): string {
  return placeOf(channelId, dueAtMs, messageId, sizeBytes)
}

export function storeDelayed(db: Database, channelId: number, message: OutgoingMessage, dueAtMs: number): void {
  const place = delayedPlace(channelId, dueAtMs, message.envelope.id, message.sizeBytes)
  const { attributes, body, checksum } = encodeEnvelope(db, place, message.envelope)
  db.run(
    'INSERT INTO delayed (channel_id, due_at_ms, message_id, attributes, body, size_bytes, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)',
    channelId,
    dueAtMs,
    message.envelope.id,
    attributes,
    body,
    message.sizeBytes,
    checksum,
  )
  // Most are due later than what waits already: those write no row of the state.
  db.run('UPDATE state SET next_due_ms = ?1 WHERE next_due_ms IS NULL OR next_due_ms > ?1', dueAtMs)
}

/** What `moveDue` did: how many rows are done with, and the ids of those that are damaged. */
export interface MovedDue {
  readonly count: number
  readonly damaged: readonly number[]
}

/**
 * Moves at most `countMax` due messages to the ends of their channels' logs, in order of due time. A damaged one holds nobody
 * up: it stays in the file, for a person to look at, and is due never more.
 */
export function moveDue(db: Database, nowMs: number, countMax: number, seq: number): MovedDue {
  const due = db.all<DelayedRow>(
    'SELECT id, channel_id, due_at_ms, message_id, attributes, body, size_bytes, checksum FROM delayed WHERE due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?',
    nowMs,
    countMax,
  )
  const byChannel = new Map<number, BlockEntry[]>()
  const whole: number[] = []
  const damaged: number[] = []
  for (const row of due) {
    if (!isWhole(db, delayedPlace(row.channel_id, row.due_at_ms, row.message_id, row.size_bytes), row.attributes, row)) {
      db.run('UPDATE delayed SET due_at_ms = ? WHERE id = ?', neverMs, row.id)
      damaged.push(row.id)
      continue
    }
    whole.push(row.id)
    const envelope = envelopeOf(row)
    const entries = byChannel.get(row.channel_id)
    const entry = { envelope, hash: envelope.partitionkey === undefined ? unkeyedHash() : keyHash(envelope.partitionkey), sizeBytes: row.size_bytes }
    if (entries === undefined) byChannel.set(row.channel_id, [entry])
    else entries.push(entry)
  }
  db.run('DELETE FROM delayed WHERE id IN (SELECT value FROM json_each(?))', JSON.stringify(whole))
  for (const [channelId, entries] of byChannel) appendMessages(db, channelId, entries, seq, nowMs)
  if (due.length > 0) refreshNextDue(db)
  return { count: due.length, damaged }
}

export function refreshNextDue(db: Database): void {
  db.run('UPDATE state SET next_due_ms = (SELECT min(due_at_ms) FROM delayed WHERE due_at_ms < ?)', neverMs)
}

export function isDelayed(db: Database, channelId: number, messageId: string): boolean {
  return db.get('SELECT 1 FROM delayed WHERE channel_id = ? AND message_id = ?', channelId, messageId) !== undefined
}

/** Removes a delayed message by its id. false: not there (any more). */
export function cancelDelayed(db: Database, channelId: number, messageId: string): boolean {
  const removed = db.run('DELETE FROM delayed WHERE channel_id = ? AND message_id = ?', channelId, messageId) > 0
  if (removed) refreshNextDue(db)
  return removed
}
