/** Appending to a channel's log, inside a write transaction. */
import type { Database } from '../sqlite/connection.ts'
import { type BlockEntry, encodeBlock } from './encode-block.ts'

/** Bounds of one block: a reader holds whole blocks in memory, a slice of a body keeps its block alive. */
export const blockCountMax = 1024
export const blockBytesMax: number = 256 * 1024

interface ChannelTail {
  readonly next_position: number
  readonly last_stored_at_ms: number
}

/**
 * Appends messages in order and returns the position of the first; they are consecutive. `seq` is the number of the
 * commit. Stored times never go back within a channel, so that seeking by time can halve its way.
 */
export function appendMessages(db: Database, channelId: number, entries: readonly BlockEntry[], seq: number, nowMs: number): number {
  let bytes = 0
  for (const entry of entries) bytes += entry.sizeBytes
  const tail = db.one<ChannelTail>(
    `UPDATE channel SET next_position = next_position + ?2, kept_bytes = kept_bytes + ?3,
       last_stored_at_ms = max(last_stored_at_ms, ?4), unrouted = unrouted + iif(group_count = 0, ?2, 0)
     WHERE id = ?1 RETURNING next_position, last_stored_at_ms`,
    channelId,
    entries.length,
    bytes,
    nowMs,
  )
  const first = tail.next_position - entries.length
  let position = first
  for (let from = 0; from < entries.length; ) {
    const to = blockEnd(entries, from)
    const block = encodeBlock(from === 0 && to === entries.length ? entries : entries.slice(from, to), {
      channelId,
      first: position,
      seq,
      storedAtMs: tail.last_stored_at_ms,
    })
    db.run(
      'INSERT INTO block (id, count, seq, stored_at_ms, bytes, data) VALUES ((?1 << 44) | ?2, ?3, ?4, ?5, ?6, ?7)',
      channelId,
      position,
      block.count,
      seq,
      tail.last_stored_at_ms,
      block.bytes,
      block.data,
    )
    position += block.count
    from = to
  }
  return first
}

function blockEnd(entries: readonly BlockEntry[], from: number): number {
  let bytes = 0
  let to = from
  while (to < entries.length && to - from < blockCountMax) {
    bytes += (entries[to] as BlockEntry).sizeBytes
    if (to > from && bytes > blockBytesMax) break
    to++
  }
  return to
}
