/**
 * What names, keys and ids may look like. Names are for people and for every broker at once, so the rule is the
 * smallest common one: ASCII words joined by dots. That alone rules out path traversal, wildcards, control characters,
 * direction marks and normalisation twins. Keys and ids come from business data, so they are free text with bounds.
 */
import { SluiceError } from '../errors/index.ts'

/** Longest name, key or id, bytes of UTF-8. */
const nameBytesMax = 255

/** What a name is used for; decides the wording of the error and whether the word `sluice` is reserved. */
export type NameKind = 'contract' | 'channel' | 'group' | 'service' | 'tag'

const dottedWords = /^[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9][A-Za-z0-9_-]*)*$/
const printableAscii = /^[\x20-\x7e]{1,255}$/
const controlCharacters = /[\p{Cc}\u2028\u2029]/u

/**
 * Returns `value` if it is an allowed name: dotted words of ASCII letters, digits, `-` and `_`, each beginning with a
 * letter or digit, at most 255 bytes in all. Names of contracts and channels that begin with the word `sluice` belong
 * to the library. Throws INVALID_NAME.
 */
export function checkName(kind: NameKind, value: unknown): string {
  const problem = nameProblem(kind, value)
  if (problem === undefined) return value as string
  // A tag may come with a message, so it may be data, which errors never repeat; other names are the program's own.
  throw new SluiceError('INVALID_NAME', kind === 'tag' ? `a tag ${problem}` : `the ${kind} name ${printable(value)} ${problem}`, {
    fix: 'Use words of ASCII letters, digits, "-" and "_", joined by single dots, e.g. "shop.order.placed"',
    details: { kind },
  })
}

function nameProblem(kind: NameKind, value: unknown): string | undefined {
  if (typeof value !== 'string') return 'is not a string'
  if (value === '') return 'is empty'
  if (value.length > nameBytesMax || Buffer.byteLength(value) > nameBytesMax) return `is longer than ${nameBytesMax} bytes`
  if (!dottedWords.test(value)) return 'has characters or dots where none are allowed'
  if ((kind === 'contract' || kind === 'channel') && (value === 'sluice' || value.startsWith('sluice.'))) return 'begins with "sluice", which is reserved'
  return undefined
}

/**
 * Returns `value` if it is an allowed ordering key: 1–255 bytes of well-formed Unicode without control characters.
 * Throws INVALID_ATTRIBUTE; the message never holds the key, because keys are business data.
 */
export function checkKey(value: unknown, what: 'key' | 'deduplicate.key' = 'key'): string {
  return checkText(what, value)
}

/** Returns `value` if it is an allowed message id; the same rule as for keys. Throws INVALID_ATTRIBUTE. */
export function checkId(value: unknown, what: 'id' | 'correlationId' | 'causationId' = 'id'): string {
  return checkText(what, value)
}

function checkText(what: 'key' | 'deduplicate.key' | 'id' | 'correlationId' | 'causationId', value: unknown): string {
  // The usual case, in one pass over the string and without counting bytes.
  if (typeof value === 'string' && printableAscii.test(value)) return value
  const problem = textProblem(value)
  if (problem === undefined) return value as string
  throw new SluiceError('INVALID_ATTRIBUTE', `the ${what} ${problem}`, {
    fix: `${what.endsWith('key') ? 'A key' : 'An id'} is a string of 1 to ${nameBytesMax} bytes without control characters${what === 'key' ? '; undefined means no key' : ''}`,
    details: { attribute: what },
  })
}

function textProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return `is ${value === null ? 'null' : `of type ${typeof value}`}, not a string`
  if (value === '') return 'is empty'
  if (value.length > nameBytesMax || Buffer.byteLength(value) > nameBytesMax) return `is longer than ${nameBytesMax} bytes`
  if (!value.isWellFormed()) return 'is not well-formed Unicode (a lone surrogate)'
  if (controlCharacters.test(value)) return 'has control characters or line breaks'
  return undefined
}

/** A hostile value as plain ASCII in quotes, at most 60 characters of it: safe for terminals, logs and headers. */
export function printable(value: unknown): string {
  if (typeof value !== 'string') return value === null ? 'null' : `(${typeof value})`
  const cut = value.length > 60 ? `${value.slice(0, 60)}…` : value
  const ascii = JSON.stringify(cut).replace(/[^\x20-\x7e…]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return ascii.replace('…"', '"…')
}
