import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { HistoryEvent } from './event.ts'

/** An event before the recorder gave it its place and time. */
export type HistoryEntry = Omit<HistoryEvent, 'i' | 'monoNs' | 'proc'> & { readonly proc?: string }

/** Hash of what must arrive as it was sent: body, key and headers (in any order). */
export function contentHash(body: string | Uint8Array, key: string | undefined, headers: Readonly<Record<string, string>> = {}): string {
  const hash = createHash('sha256')
    .update(body)
    .update(`\0${key === undefined ? '' : `k${key}`}\0`)
  for (const name of Object.keys(headers).sort()) hash.update(`${name}\0${headers[name]}\0`)
  return hash.digest('base64url').slice(0, 22)
}

/**
 * Appends events to a JSON-lines file. One whole line a `write`, in append mode: lines of several processes do not mix,
 * and what was written survives a kill -9 of its writer (not a power cut: the judged run has none of its own). A kill may
 * tear a `write` where a page ends, so a line brings the line break before it: what is torn is nobody else's line.
 * `i` is given by {@link readHistory}, for writers do not know of each other.
 */
export class HistoryRecorder {
  /** Who writes. */
  readonly proc: string
  readonly #fd: number

  constructor(path: string, proc: string) {
    this.#fd = openSync(path, 'a', 0o600)
    this.proc = proc
  }

  record(entry: HistoryEntry): void {
    writeSync(this.#fd, `\n${JSON.stringify({ proc: this.proc, ...entry, monoNs: Number(process.hrtime.bigint()) })}`)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/**
 * Reads a history back, in the order of lines. A torn line is left out: its writer was killed in the `write`, so it is as if
 * it had died before. Throws if anything of that writer follows, for then it was no death that tore it.
 */
export function readHistory(path: string): readonly HistoryEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  const torn = new Set<string>()
  const events: HistoryEvent[] = []
  for (const line of lines) {
    if (line === '') continue
    const writer = line.match(/^\{"proc":"([^"]*)"/)?.[1]
    if (writer !== undefined && torn.has(writer)) throw new Error(`${path}: ${writer} wrote on after half a line`)
    if (line.endsWith('}')) events.push({ ...(JSON.parse(line) as Omit<HistoryEvent, 'i'>), i: events.length })
    else if (writer !== undefined) torn.add(writer)
  }
  return events
}
