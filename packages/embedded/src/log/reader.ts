/**
 * Reads a channel's blocks in order, for all groups of this process at once: a block stays decoded until all of them
 * have passed it, so that four groups that keep up cost one read, and a group that waits at the end costs no query at all.
 */
import type { Database } from '../sqlite/connection.ts'
import { sqliteFailure } from '../sqlite/errors.ts'
import { Block, type BlockRow, missingBlock } from './block.ts'

const place = 'id & 17592186044415 AS first, count, seq, stored_at_ms, bytes'
const readBlocksMax = 8
// Made once: a text is the key by which its prepared statement is found. The block of a position may begin before it.
const from = '(?1 << 44) | ?2'
const around: string = `coalesce((SELECT id FROM (SELECT id, count FROM block WHERE id <= (${from}) AND id >= (?1 << 44) ORDER BY id DESC LIMIT 1)
  WHERE id + count > (${from})), ${from})`
const select = (data: string, start: string): string =>
  `SELECT ${place}, ${data} FROM block WHERE id >= ${start} AND id < ((?1 + 1) << 44) ORDER BY id LIMIT ?3`
const selectOn: string = select('data', `(${from})`)
const selectOnWithoutData: string = select('NULL AS data', `(${from})`)
const selectAround: string = select('data', around)
const selectAroundWithoutData: string = select('NULL AS data', around)
/** Blocks kept at most, however small. */
const cacheBlocksMax = 256

export class ChannelReader {
  readonly channelId: number
  readonly #db: Database
  readonly #cacheBytesMax: number
  // In the order in which they were read. Not a Map: former tables of one that is filled and emptied without end keep
  // what was in them, and the collector finds out late.
  #cache: Block[] = []
  #cacheBytes = 0
  // How far each group's member has come.
  readonly #places: Map<object, number> = new Map()
  // The one that is asked for most.
  #last: Block | undefined
  // Everything below is known to be stored, and nothing at or after it was there at commit #tailSeq.
  #tail = 0
  /** Where a block ends that was read. */
  #boundary = -1
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
    const cached = this.#cached(position)
    if (cached !== undefined) {
      this.#last = cached
      return cached
    }
    if (position >= this.#tail && this.#tailSeq >= seq) return undefined
    return this.#read(position, seq)
  }

  /** Blocks from that of `position` on. One whose pages are broken comes without its data: a damaged block, not the end. */
  #rows(position: number): { readonly rows: readonly BlockRow[]; readonly all: boolean } {
    try {
      const rows = this.#select('data', position, readBlocksMax)
      return { rows, all: rows.length < readBlocksMax }
    } catch (error) {
      if (sqliteFailure(error) !== 'corrupt') throw error
    }
    try {
      return { rows: this.#select('data', position, 1), all: false }
    } catch (error) {
      if (sqliteFailure(error) !== 'corrupt') throw error
      return { rows: this.#select('NULL AS data', position, 1), all: false }
    }
  }

  #select(data: 'data' | 'NULL AS data', position: number, countMax: number): BlockRow[] {
    // Behind the last block that was read begins the next one: where everybody reads who keeps up.
    const sql = position === this.#boundary ? (data === 'data' ? selectOn : selectOnWithoutData) : data === 'data' ? selectAround : selectAroundWithoutData
    return this.#db.all<BlockRow>(sql, this.channelId, position, countMax)
  }

  #read(position: number, seq: number): Block | undefined {
    const { rows, all } = this.#rows(position)
    let first = rows[0] === undefined || rows[0].first <= position ? undefined : this.#hole(position, rows[0].first)
    for (const row of rows) {
      const block = new Block(row, this.channelId)
      first ??= block
      if (this.#cached(block.first) !== undefined) continue
      this.#cache.push(block)
      this.#cacheBytes += block.bytes
    }
    const lastRow = rows[rows.length - 1]
    if (lastRow !== undefined) this.#boundary = lastRow.first + lastRow.count
    if (all) {
      const end = lastRow === undefined ? position : this.#boundary
      this.#tail = Math.max(this.#tail, end)
      this.#tailSeq = Math.max(this.#tailSeq, seq)
    }
    this.#trim()
    if (first !== undefined && first.placeFault === undefined) this.#last = first
    return first
  }

  /** Positions are dense: what is missing between two blocks was trimmed, or the file is damaged. */
  #hole(from: number, to: number): Block | undefined {
    const kept = this.#db.get<{ first_position: number }>('SELECT first_position FROM channel WHERE id = ?', this.channelId)
    const missing = Math.max(from, kept?.first_position ?? to)
    return missing < to ? missingBlock(missing, to) : undefined
  }

  /** Who reads has no use for what is before `position` any more; Infinity: reads no more. */
  passed(who: object, position: number): void {
    if (position < Infinity) this.#places.set(who, position)
    else if (this.#places.delete(who) && this.#places.size === 0) this.forget()
    this.#trim()
  }

  // Text that stays for long is copied by the collector, twice.
  #trim(): void {
    let passed = this.#places.size === 0 ? 0 : Infinity
    for (const place of this.#places.values()) passed = Math.min(passed, place)
    let from = 0
    for (const block of this.#cache) {
      if (this.#cacheBytes <= this.#cacheBytesMax && this.#cache.length - from <= cacheBlocksMax && block.end > passed) break
      from++
      this.#cacheBytes -= block.bytes
      if (this.#last === block) this.#last = undefined
    }
    if (from > 0) this.#cache = this.#cache.slice(from)
  }

  #cached(position: number): Block | undefined {
    // What says of itself how much it holds may be damaged.
    for (const block of this.#cache)
      if (position === block.first || (position > block.first && position < block.end && block.placeFault === undefined)) return block
    return undefined
  }

  /** Forgets what was read: blocks were trimmed or purged. */
  forget(): void {
    this.#cache = []
    this.#cacheBytes = 0
    this.#last = undefined
    this.#tail = 0
    this.#boundary = -1
    this.#tailSeq = -1
  }
}
