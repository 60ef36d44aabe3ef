import type { LogEntry } from '../wire/entries.ts'
import { after, type Position } from '../wire/position.ts'

/** A stretch of a channel: every entry at or after `from` and before `to`. */
export interface Page {
  readonly from: Position
  readonly to: Position
  readonly entries: readonly LogEntry[]
  readonly bytes: number
}

export function makePage(from: Position, to: Position | undefined, entries: readonly LogEntry[]): Page {
  let bytes = 0
  for (const entry of entries) bytes += entry.sizeBytes
  const last = entries.at(-1)
  return { from, to: to ?? (last === undefined ? from : after(last.position)), entries, bytes }
}

/** Bytes of pages kept for other groups and for released messages. */
const keptBytesMax = 8 * 1024 * 1024

/** Pages lately read of one channel; the oldest go first. */
export class Pages {
  #pages: Page[] = []
  #bytes = 0

  add(page: Page): void {
    this.#pages.push(page)
    this.#bytes += page.bytes + 64
    while (this.#bytes > keptBytesMax && this.#pages.length > 2) this.#bytes -= (this.#pages.shift() as Page).bytes + 64
  }

  /** The page that holds a position, or undefined. */
  at(position: Position): Page | undefined {
    for (let i = this.#pages.length - 1; i >= 0; i--) {
      const page = this.#pages[i] as Page
      if (position >= page.from && position < page.to) return page
    }
    return undefined
  }

  clear(): void {
    this.#pages = []
    this.#bytes = 0
  }
}
