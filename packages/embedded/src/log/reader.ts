/**
 * Reads a channel's blocks in order, for all groups of this process at once: recent blocks are kept decoded, so that
 * four groups that keep up cost one read, and a group that waits at the end costs no query at all.
 */
import type { Database } from '../sqlite/connection.ts'
import { Block, type BlockRow } from './block.ts'

const columns = 'id & 17592186044415 AS first, count, seq, stored_at_ms, bytes, hashes, attributes, bodies, binaries'
const readBlocksMax = 8

export class ChannelReader {
  readonly channelId: number
  readonly #db: Database
  readonly #cacheBytesMax: number
  // By first position; the oldest read is dropped first.
  readonly #cache: Map<number, Block> = new Map()
  #cacheBytes = 0
  #order: number[] = []
  #oldest = 0
  // Which block holds a position that is not a block's first.
  #last: Block | undefined
  // Everything below is known to be stored, and nothing at or after it was there at commit #tailSeq.
  #tail = 0
  #tailSeq = -1

  constructor(db: Database, channelId: number, cacheBytesMax: number) {
    this.#db = db
    this.channelId = channelId
    this.#cacheBytesMax = cacheBytesMax
  }

  /**
   * The block that holds `position`, or the first one after it; undefined at the end. `seq`: the latest commit that
   * the caller knows of; no query is made while there was none since the end was last seen.
   */
  next(position: number, seq: number): Block | undefined {
    const last = this.#last
    if (last !== undefined && position >= last.first && position < last.end) return last
    const cached = this.#cache.get(position)
    if (cached !== undefined) {
      this.#last = cached
      return cached
    }
    if (position >= this.#tail && this.#tailSeq >= seq) return undefined
    return this.#read(position, seq)
  }

  #read(position: number, seq: number): Block | undefined {
    const rows = this.#db.all<BlockRow>(
      `SELECT ${columns} FROM block
       WHERE id >= coalesce((SELECT id FROM (SELECT id, count FROM block WHERE id <= ((?1 << 44) | ?2) AND id >= (?1 << 44)
                                             ORDER BY id DESC LIMIT 1)
                             WHERE id + count > ((?1 << 44) | ?2)), (?1 << 44) | ?2)
         AND id < ((?1 + 1) << 44) ORDER BY id LIMIT ?3`,
      this.channelId,
      position,
      readBlocksMax,
    )
    let first: Block | undefined
    for (const row of rows) {
      const block = new Block(row)
      first ??= block
      if (!this.#cache.has(block.first)) {
        this.#cache.set(block.first, block)
        this.#order.push(block.first)
        this.#cacheBytes += block.bytes
      }
    }
    if (rows.length < readBlocksMax) {
      const end = rows.length === 0 ? position : (rows[rows.length - 1] as BlockRow).first + (rows[rows.length - 1] as BlockRow).count
      this.#tail = Math.max(this.#tail, end)
      this.#tailSeq = Math.max(this.#tailSeq, seq)
    }
    this.#trim()
    if (first !== undefined) this.#last = first
    return first
  }

  #trim(): void {
    while (this.#cacheBytes > this.#cacheBytesMax && this.#oldest < this.#order.length) {
      const position = this.#order[this.#oldest++] as number
      this.#cacheBytes -= this.#cache.get(position)?.bytes ?? 0
      this.#cache.delete(position)
    }
    if (this.#oldest > 1024 && this.#oldest * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#oldest)
      this.#oldest = 0
    }
  }

  /** Forgets what was read: blocks were trimmed or purged. */
  forget(): void {
    this.#cache.clear()
    this.#order = []
    this.#oldest = 0
    this.#cacheBytes = 0
    this.#last = undefined
    this.#tail = 0
    this.#tailSeq = -1
  }
}
