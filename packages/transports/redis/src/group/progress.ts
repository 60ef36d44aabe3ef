/**
 * Progress of a group in one partition: everything before `cursor` is done; beyond it, `ranges` [from, to) are done,
 * ascending and apart. Positions of other partitions count as done in any range: a partition only asks about its own.
 * Pure; stored as text, positions joined by commas.
 */
import { firstPosition, later, type Position } from '../wire/position.ts'

export interface Progress {
  readonly cursor: Position
  /** Flat: from, to, from, to … */
  readonly ranges: readonly Position[]
}

export function encodeRanges(ranges: readonly Position[]): string {
  return ranges.join(',')
}

export function decodeRanges(text: string): Position[] {
  return text === '' ? [] : text.split(',')
}

/** Whether a position is done. */
export function isDone({ cursor, ranges }: Progress, position: Position): boolean {
  if (position < cursor) return true
  for (let i = 0; i < ranges.length && (ranges[i] as Position) <= position; i += 2) if (position < (ranges[i + 1] as Position)) return true
  return false
}

/** The progress after everything in [from, to) is to be delivered again, and nothing else. */
export function reopened(progress: Progress, from: Position, to: Position): Progress {
  if (from >= to) return progress
  const done: Position[] = []
  const keep = (low: Position, high: Position): void => {
    if (low < high) done.push(low, high)
  }
  // What is before the cursor is one range from the first position on; [from, to) is cut out of every range.
  const all = [firstPosition, progress.cursor, ...progress.ranges]
  for (let i = 0; i < all.length; i += 2) {
    const low = all[i] as Position
    const high = all[i + 1] as Position
    keep(low, high < from ? high : from)
    keep(later(low, to), high)
  }
  return normalised(done)
}

/** Joins ranges that touch; a first range from the first position on becomes the cursor. */
function normalised(done: readonly Position[]): Progress {
  const joined: Position[] = []
  for (let i = 0; i < done.length; i += 2) {
    const low = done[i] as Position
    const high = done[i + 1] as Position
    const end = joined.length - 1
    if (end > 0 && low <= (joined[end] as Position)) joined[end] = later(joined[end] as Position, high)
    else joined.push(low, high)
  }
  if (joined[0] === firstPosition) return { cursor: joined[1] as Position, ranges: joined.slice(2) }
  return { cursor: firstPosition, ranges: joined }
}
