/**
 * Sends whose sync failed: committed and not confirmed. Whoever sends them again under the same ids, as the core does, is
 * to be told that they are there, and not to have them stored a second time.
 */
import type { OutgoingMessage } from '@sluice/core/transport'
import { Block, type BlockRow } from '../log/block.ts'
import type { Database } from '../sqlite/connection.ts'

/** Ids that are remembered; who gives a message up never asks again. */
const idsMax = 200_000

export class UnknownSends {
  /** Id → the commit that holds the message. */
  readonly #commits: Map<string, number> = new Map()

  get size(): number {
    return this.#commits.size
  }

  /** Whether it is one of them: only then `held` is worth its reading. */
  has(id: string): boolean {
    return this.#commits.has(id)
  }

  /** The sync of commit `seq` failed; perhaps not for the first time, and then an earlier commit holds them. */
  remember(messages: readonly OutgoingMessage[], seq: number): void {
    for (const { envelope } of messages) if (!this.#commits.has(envelope.id)) this.#commits.set(envelope.id, seq)
    for (const id of this.#commits.keys()) {
      if (this.#commits.size <= idsMax) return
      this.#commits.delete(id)
    }
  }

  /** Confirmed by now. */
  forget(messages: readonly OutgoingMessage[]): void {
    for (const { envelope } of messages) this.#commits.delete(envelope.id)
  }

  /**
   * The ids that a channel holds since the first commit in doubt: read from the file, for what was committed and not
   * synced may have been lost after all. A damaged block holds none.
   */
  held(db: Database, channelId: number): ReadonlySet<string> {
    const held = new Set<string>()
    let since = Number.POSITIVE_INFINITY
    for (const seq of this.#commits.values()) since = Math.min(since, seq)
    const delayed = db.all<{ message_id: string }>('SELECT message_id FROM delayed WHERE channel_id = ?', channelId)
    for (const { message_id } of delayed) if (this.#commits.has(message_id)) held.add(message_id)
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const row = db.get<BlockRow>(
        `SELECT id & 17592186044415 AS first, count, seq, stored_at_ms, bytes, data FROM block
         WHERE id >= ?1 << 44 AND id < ((?1 + 1) << 44) AND id & 17592186044415 < ?2 ORDER BY id DESC LIMIT 1`,
        channelId,
        before,
      )
      if (row === undefined || row.seq < since) return held
      before = row.first
      const block = new Block(row, channelId)
      if (block.fault !== undefined) continue
      for (let i = 0; i < block.count; i++) {
        const { id } = block.envelopeAt(i)
        if (this.#commits.has(id)) held.add(id)
      }
    }
  }
}
