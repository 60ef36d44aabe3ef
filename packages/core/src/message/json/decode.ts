/**
 * Decodes JSON that a stranger may have written. What could exhaust this process is refused before anything is
 * allocated (depth), the rest after `JSON.parse` by one walk that allocates nothing.
 */
import { SluiceError } from '../../errors/index.ts'
import { jsonDepthMax } from '../limits.ts'
import { decodeUtf8, encodeUtf8 } from '../utf8.ts'
import { hasPrototypeKey } from './encode.ts'
import { ShapeReader } from './shape-reader.ts'

const shapes: ShapeReader = new ShapeReader()

/**
 * The value of a JSON text or of its UTF-8 bytes. Of two equal keys the later one counts (as in every ECMAScript
 * reader). A key `constructor` is an own property like any other unless its value has an own `prototype`.
 *
 * @throws SluiceError UNDECODABLE for anything but one JSON value (RFC 8259; no byte order mark), invalid UTF-8,
 * unpaired surrogates, integers that a double cannot keep (2^53 + 1), numbers beyond it (1e400), and keys that
 * could change a prototype (`__proto__`). MESSAGE_TOO_DEEP beyond 64 levels.
 */
export function decodeJson(body: string | Uint8Array): unknown {
  const text = typeof body === 'string' ? body : decodeUtf8(body)
  let value = shapes.read(text)
  if (value !== undefined) return value
  checkNesting(text, jsonDepthMax)
  try {
    value = JSON.parse(text)
  } catch (error) {
    // The engine's message quotes the payload: it must not travel in an error.
    throw new SluiceError('UNDECODABLE', `the body is not JSON${positionOf(error)}`)
  }
  const fault = findFault(value)
  if (fault === 'number') checkNumbers(text)
  else if (fault === 'key') throw new SluiceError('UNDECODABLE', 'the body has a key that could change a prototype (__proto__, or constructor with prototype)')
  // Into well-formed text only an escape can bring an unpaired surrogate.
  if (text.includes('\\u') && hasUnpaired(value)) throw new SluiceError('UNDECODABLE', 'the body has text with an unpaired surrogate')
  shapes.learn(text, value)
  return value
}

/** Looks at a text before it is parsed. @throws SluiceError MESSAGE_TOO_DEEP beyond `levels` of arrays and objects */
export function checkNesting(text: string, levels: number): void {
  if (mayBeTooDeep(text, levels) && nesting(text) > levels) {
    throw new SluiceError('MESSAGE_TOO_DEEP', `the data is nested deeper than ${levels} levels`, { details: { depthMax: levels } })
  }
}

// Each level of an array takes two characters of the text, each of an object five ({"":}): with A opening square
// brackets, a text shorter than 5 × (levels + 1) − 3 × A cannot be too deep. Short texts are decided by one or two
// memory searches; long ones by counting openers up to the cap; only then is every character looked at.
function mayBeTooDeep(text: string, levels: number): boolean {
  let arrays = 0
  for (let at = text.indexOf('['); at >= 0; at = text.indexOf('[', at + 1)) if (++arrays > levels) return true
  if (text.length < 5 * (levels + 1) - 3 * arrays) return false
  let openers = arrays
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at + 1)) if (++openers > levels) return true
  return false
}

/**
 * Deepest nesting of brackets outside of strings: exact for JSON, and never too low for its valid beginning. Over bytes,
 * because reading them is three times as fast as `charCodeAt`; in UTF-8 no byte of another character looks like these.
 */
function nesting(text: string): number {
  const bytes = encodeUtf8(text)
  const length = bytes.length
  let depth = 0
  let deepest = 0
  for (let at = 0; at < length; at++) {
    const byte = bytes[at] as number
    if (byte === 0x22) {
      for (at++; at < length; at++) {
        const inner = bytes[at] as number
        if (inner === 0x22) break
        if (inner === 0x5c) at++
      }
      continue
    }
    // Square and curly brackets differ by one bit.
    const bracket = byte | 0x20
    if (bracket === 0x7b) {
      if (++depth > deepest) deepest = depth
    } else if (bracket === 0x7d) depth--
  }
  return deepest
}

/** Index of the quote that closes the string opened at `from`, or -1. */
export function endOfString(text: string, from: number): number {
  let at = from
  for (;;) {
    at = text.indexOf('"', at + 1)
    if (at < 0) return -1
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return at
  }
}

const doubleMax = 2 ** 53

/** What is wrong with a parsed value: a number that may have lost digits, or a dangerous key. Allocates nothing. */
function findFault(value: unknown): 'number' | 'key' | undefined {
  if (typeof value === 'number') return value < doubleMax && value > -doubleMax ? undefined : 'number'
  return typeof value === 'object' && value !== null ? findFaultIn(value) : undefined
}

function findFaultIn(container: object): 'number' | 'key' | undefined {
  if (Array.isArray(container)) {
    for (let i = 0; i < container.length; i++) {
      const part: unknown = container[i]
      if (typeof part === 'string') continue
      const fault = findFault(part)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  const object = container as Readonly<Record<string, unknown>>
  for (const key in object) {
    if (key === '__proto__') return 'key'
    const part = object[key]
    const kind = typeof part
    if (kind === 'number') {
      if (!((part as number) < doubleMax && (part as number) > -doubleMax)) return 'number'
    } else if (kind === 'object' && part !== null) {
      if (key === 'constructor' && hasPrototypeKey(part)) return 'key'
      const fault = findFaultIn(part as object)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

const numberOrQuote = /"|-?[0-9][0-9.eE+-]*/g

// Some number is at or beyond 2^53: looks at every literal. One passes if writing its double gives the same
// digits again (2^60, or what JSON.stringify wrote), or if the double is exactly what it says.
function checkNumbers(text: string): void {
  numberOrQuote.lastIndex = 0
  for (let match = numberOrQuote.exec(text); match !== null; match = numberOrQuote.exec(text)) {
    const literal = match[0]
    if (literal === '"') {
      numberOrQuote.lastIndex = endOfString(text, match.index) + 1
      continue
    }
    const number = Number(literal)
    const kept =
      Number.isFinite(number) && (Math.abs(number) < doubleMax || /[.eE]/.test(literal) || String(number) === literal || BigInt(number) === BigInt(literal))
    if (!kept) {
      throw new SluiceError('UNDECODABLE', `the body has a number that a double cannot keep, near character ${match.index}`, {
        fix: 'Write integers beyond 2^53 as text',
      })
    }
  }
}

function hasUnpaired(value: unknown): boolean {
  if (typeof value === 'string') return !value.isWellFormed()
  if (typeof value !== 'object' || value === null) return false
  for (const [key, part] of Object.entries(value)) if (!key.isWellFormed() || hasUnpaired(part)) return true
  return false
}

function positionOf(error: unknown): string {
  const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined
  return position === undefined ? '' : ` (near character ${position})`
}
