import { crc32 } from 'node:zlib'
import { damagedRow } from '../log/envelope-row.ts'

/**
 * Progress of a group in one partition, in as few numbers as it takes: everything before `cursor` is done; beyond it,
 * `ranges` [from, to) are done, ascending and apart. Positions of other partitions count as done in any range: a
 * partition only ever asks about its own. Pure; stored in `partition.done` as JSON behind its checksum.
 */
export interface Progress {
  readonly cursor: number
  /** Flat: from, to, from, to … */
  readonly ranges: readonly number[]
}

export function encodeRanges(ranges: readonly number[]): string {
  if (ranges.length === 0) return ''
  const json = JSON.stringify(ranges)
  return `${crc32(json)} ${json}`
}

/** Throws STORE_CORRUPT where the text is not what was written: a range that grew would skip messages. */
export function decodeRanges(text: string): number[] {
  if (text === '') return []
  const at = text.indexOf(' ')
  const json = text.slice(at + 1)
  if (at < 1 || text.slice(0, at) !== String(crc32(json))) throw damagedRow('what a group has done beyond its cursor')
  return JSON.parse(json) as number[]
}

/** Whether a position is done. */
export function isDone(progress: Progress, position: number): boolean {
  if (position < progress.cursor) return true
  const ranges = progress.ranges
  for (let i = 0; i < ranges.length && (ranges[i] as number) <= position; i += 2) if (position < (ranges[i + 1] as number)) return true
  return false
}

/**
 * The progress after everything in [from, to) is to be delivered again, and nothing else: what was done outside stays
 * done. `from` must not be after `to`.
 */
export function reopened(progress: Progress, from: number, to: number): Progress {
  if (from >= to) return progress
  const done: number[] = []
  const keep = (low: number, high: number): void => {
    if (low < high) done.push(low, high)
  }
  // The part before the cursor is one range from 0; cut [from, to) out of every range.
  const all = [0, progress.cursor, ...progress.ranges]
  for (let i = 0; i < all.length; i += 2) {
    const low = all[i] as number
    const high = all[i + 1] as number
    keep(low, Math.min(high, from))
    keep(Math.max(low, to), high)
  }
  return normalised(done)
}

/** Joins ranges that touch; a first range from 0 becomes the cursor. */
function normalised(done: readonly number[]): Progress {
  const joined: number[] = []
  for (let i = 0; i < done.length; i += 2) {
    const low = done[i] as number
    const high = done[i + 1] as number
    if (joined.length > 0 && low <= (joined[joined.length - 1] as number)) joined[joined.length - 1] = Math.max(joined[joined.length - 1] as number, high)
    else joined.push(low, high)
  }
  if (joined.length > 0 && joined[0] === 0) return { cursor: joined[1] as number, ranges: joined.slice(2) }
  return { cursor: 1, ranges: joined }
}

/** The progress after everything before `position` is dropped (retention, purge). */
export function skippedTo(progress: Progress, position: number): Progress {
  if (position <= progress.cursor) return progress
  return normalised([0, position, ...clipped(progress.ranges, position)])
}

function clipped(ranges: readonly number[], from: number): number[] {
  const left: number[] = []
  for (let i = 0; i < ranges.length; i += 2) if ((ranges[i + 1] as number) > from) left.push(Math.max(from, ranges[i] as number), ranges[i + 1] as number)
  return left
}
