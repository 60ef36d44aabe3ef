/**
 * Ids of stream entries, `<ms>-<number>`, written at a fixed width so that text comparison is their order. Redis reads the
 * zeros; they sort in Lua and in sorted sets, too. Everything here calls such an id a position.
 */
export type Position = string

const msDigits = 13
const numberDigits = 10
const zeros = '0000000000000'
const numberMax = 9_999_999_999

/** Before every entry. */
export const firstPosition: Position = `${zeros}-0000000000`

/** The first position of a millisecond. */
export function positionAt(ms: number): Position {
  return `${String(Math.max(0, Math.ceil(ms))).padStart(msDigits, '0')}-0000000000`
}

/** An id as the server writes it. */
export function toPosition(id: string): Position {
  const dash = id.indexOf('-')
  const missing = numberDigits - (id.length - dash - 1)
  // Today's milliseconds have 13 digits.
  if (dash === msDigits) return missing <= 0 ? id : id.slice(0, msDigits + 1) + zeros.slice(0, missing) + id.slice(msDigits + 1)
  return `${id.slice(0, dash).padStart(msDigits, '0')}-${id.slice(dash + 1).padStart(numberDigits, '0')}`
}

/** The next possible position. */
export function after(position: Position): Position {
  const number = Number(position.slice(msDigits + 1)) + 1
  if (number > numberMax) return positionAt(msOf(position) + 1)
  return `${position.slice(0, msDigits + 1)}${String(number).padStart(numberDigits, '0')}`
}

/** An id for commands that take what is beyond it (XREAD): the position before. */
export function idBefore(position: Position): string {
  const number = Number(position.slice(msDigits + 1))
  const ms = msOf(position)
  if (number > 0) return `${ms}-${number - 1}`
  return ms === 0 ? '0-0' : `${ms - 1}-18446744073709551615`
}

/** When an entry was stored, ms since the epoch. */
export function msOf(position: Position): number {
  return Number(position.slice(0, msDigits))
}

export function later(a: Position, b: Position): Position {
  return a > b ? a : b
}
