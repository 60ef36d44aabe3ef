/**
 * One channel's log, as all consumers of this process read it: what is behind the end by XRANGE, the end itself by the
 * blocked read. Nothing is read that nobody is about to need, one page ahead excepted.
 */
import { Commands } from '../resp/command.ts'
import { ConnectionEnded } from '../resp/connection.ts'
import type { Link } from '../resp/link.ts'
import { isError, type RedisError, readReply, type Source } from '../resp/reply.ts'
import { type LogEntry, readEntries } from '../wire/entries.ts'
import type { Position } from '../wire/position.ts'
import { makePage, type Page, Pages } from './pages.ts'
import type { Watch, Watched } from './watch.ts'

/** Bytes that one answer should have, about. */
const pageBytes = 512 * 1024
const pageCountMax = 1_000

/** Who reads the channel. */
export interface LogListener {
  /** There is more to read, or there was a reason to look. */
  woken(): void
  /** The channel's bell rang. */
  rung(): void
  /** Reading failed; it is tried again. */
  failed(error: Error): void
}

export class LogReader implements Watched {
  readonly key: string
  readonly #link: Link
  readonly #watch: Watch
  readonly #pages = new Pages()
  readonly #listeners: Set<LogListener> = new Set()
  bellId = '0-0'
  wanted: Position | undefined
  countMax = 16
  // The first position that was not read yet at the end; undefined: the end was never reached.
  #end: Position | undefined
  #fetching: Position | undefined

  constructor(key: string, link: Link, watch: Watch) {
    this.key = key
    this.#link = link
    this.#watch = watch
  }

  /** Returns a function that ends listening. */
  listen(listener: LogListener): void {
    this.#listeners.add(listener)
  }

  /** How many listen still. */
  unlisten(listener: LogListener): number {
    this.#listeners.delete(listener)
    return this.#listeners.size
  }

  /** The page that holds a position; undefined: not here yet, and `woken` tells when to ask again. */
  page(position: Position): Page | undefined {
    const page = this.#pages.at(position)
    this.#want(page === undefined ? position : page.to)
    return page
  }

  /** The connection broke and is back, or the channel was made anew. */
  reset(): void {
    this.#pages.clear()
    this.#end = undefined
    this.#fetching = undefined
    this.wanted = undefined
    this.#wake()
  }

  entries(from: Position, entries: readonly LogEntry[]): void {
    if (from !== this.wanted) return
    this.wanted = undefined
    if (entries.length === 0) return
    this.#keep(makePage(from, undefined, entries))
    this.#end = this.#pages.at(from)?.to
    this.#wake()
  }

  rung(): void {
    for (const listener of this.#listeners) listener.rung()
  }

  failed(error: Error): void {
    for (const listener of this.#listeners) listener.failed(error)
  }

  #want(position: Position): void {
    if (this.#pages.at(position) !== undefined) return
    if (this.#end !== undefined && position >= this.#end) {
      if (this.wanted === this.#end) return
      this.wanted = this.#end
      this.#watch.look()
    } else if (this.#fetching === undefined) void this.#fetch(position)
  }

  async #fetch(position: Position): Promise<void> {
    this.#fetching = position
    const count = this.countMax
    try {
      const entries = await this.#link.call(new Commands().add('XRANGE', this.key, position, '+', 'COUNT', count), readRange)
      if (this.#fetching !== position) return
      this.#fetching = undefined
      const page = makePage(position, undefined, entries)
      if (entries.length > 0) this.#keep(page)
      if (entries.length < count && (this.#end === undefined || page.to > this.#end)) this.#end = page.to
      this.#wake()
    } catch (error) {
      if (this.#fetching !== position) return
      this.#fetching = undefined
      if (error instanceof ConnectionEnded) return
      this.failed(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #keep(page: Page): void {
    this.#pages.add(page)
    const average = page.bytes / page.entries.length
    this.countMax = Math.max(1, Math.min(pageCountMax, this.countMax * 2, Math.floor(pageBytes / average)))
  }

  #wake(): void {
    for (const listener of this.#listeners) listener.woken()
  }
}

function readRange(source: Source): LogEntry[] {
  if (isError(source)) throw readReply(source) as RedisError
  return readEntries(source)
}
