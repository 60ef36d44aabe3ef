/**
 * Encodes data as JSON and refuses what would not come back as it was.
 *
 * Two walks, because the first one runs for every message: a check that allocates nothing and only answers yes or no,
 * then `JSON.stringify`; and, only after a no, a second walk that finds out where and why, for the error.
 * Unpaired surrogates cost no walk: `JSON.stringify` escapes them as `\udXXX`, which is looked for in its output.
 */
import { SluiceError } from '../../errors/index.ts'
import { jsonDepthMax, messageBytesMaxDefault } from '../limits.ts'
import { tooLarge } from '../size.ts'

// A container takes at least two bytes of output. Without this bound a small graph that shares its parts
// ([b, b] with b = [c, c] …) would be walked 2^64 times.
const containersMax = messageBytesMaxDefault / 2
let containersLeft = 0
// A character takes at least one byte: what is certainly too large is refused before it is encoded.
let charactersLeft = 0

/**
 * The JSON text of a value. Properties that are `undefined` are left out, as `JSON.stringify` does.
 *
 * @throws SluiceError NOT_SERIALIZABLE for what JSON would change or drop: Date, BigInt, undefined (alone or in
 * an array), NaN, ±Infinity, −0, functions, symbols, Map, Set, typed arrays, instances of classes, sparse arrays, cycles,
 * unpaired surrogates, keys that would change a prototype. MESSAGE_TOO_DEEP beyond 64 levels. MESSAGE_TOO_LARGE
 * for graphs of more containers than any message can hold, and, before anything is encoded, where the texts alone have more
 * than `bytesMax` characters (default: no bound).
 */
export function encodeJson(value: unknown, bytesMax: number = Number.POSITIVE_INFINITY): string {
  containersLeft = containersMax
  charactersLeft = typeof value === 'string' ? bytesMax - value.length : bytesMax
  let text: string
  try {
    const kind = typeof value
    // Scalars alone take the second walk at once: they are rare, and it is short.
    const survives = kind === 'object' && value !== null ? containerSurvives(value as object, jsonDepthMax) : findRefusal(value, '$', []) === undefined
    if (!survives) throw refusal(value)
    if (charactersLeft < 0) throw tooLarge(undefined, bytesMax, 'the data')
    text = JSON.stringify(value)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('NOT_SERIALIZABLE', 'reading the data failed (a getter or a proxy threw)', { cause: error })
  }
  // Also true for a text that merely contains a backslash followed by "ud"; the second walk tells them apart.
  if (text.includes('\\ud')) {
    const path = unpairedSurrogate(value, '$')
    if (path !== undefined)
      throw unserializable(path, 'is text with an unpaired surrogate, which UTF-8 cannot carry', 'Use String.prototype.toWellFormed first')
  }
  return text
}

// The tests of text and numbers stand inline in both loops: a call for each property costs more than the test itself.
// A number minus itself is 0 but for NaN and the infinities; 1/−0 is negative.
function containerSurvives(container: object, levels: number): boolean {
  if (levels === 0 || --containersLeft < 0) return false
  if (Array.isArray(container)) return arraySurvives(container, levels)
  const prototype: unknown = Object.getPrototypeOf(container)
  if (prototype !== Object.prototype && prototype !== null && !isForeignPlain(prototype)) return false
  const object = container as Readonly<Record<string, unknown>>
  for (const key in object) {
    const value = object[key]
    if (key === '__proto__') return false
    const kind = typeof value
    if (kind === 'string') {
      charactersLeft -= (value as string).length
      continue
    }
    if (kind === 'number') {
      if ((value as number) - (value as number) !== 0 || (value === 0 && 1 / value < 0)) return false
    } else if (kind === 'object') {
      if (value === null) continue
      if (key === 'constructor' && hasPrototypeKey(value)) return false
      if (!containerSurvives(value as object, levels - 1)) return false
    } else if (kind !== 'boolean' && kind !== 'undefined') return false
  }
  return true
}

function arraySurvives(array: readonly unknown[], levels: number): boolean {
  if (Object.getPrototypeOf(array) !== Array.prototype && !isForeignArray(array)) return false
  for (let i = 0; i < array.length; i++) {
    // A hole reads as undefined, which does not survive either.
    const value = array[i]
    const kind = typeof value
    if (kind === 'string') {
      charactersLeft -= (value as string).length
      continue
    }
    if (kind === 'number') {
      if ((value as number) - (value as number) !== 0 || (value === 0 && 1 / value < 0)) return false
    } else if (kind === 'object') {
      if (value !== null && !containerSurvives(value as object, levels - 1)) return false
    } else if (kind !== 'boolean') return false
  }
  return true
}

// Plain objects of another realm (node:vm, test runners that isolate files) have another Object.prototype.
function isForeignPlain(prototype: unknown): boolean {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'hasOwnProperty') &&
    !Object.hasOwn(prototype, 'toJSON')
  )
}

function isForeignArray(array: readonly unknown[]): boolean {
  const prototype: unknown = Object.getPrototypeOf(array)
  return Array.isArray(prototype) && isForeignPlain(Object.getPrototypeOf(prototype))
}

/** Whether a value could reach a prototype when a careless merge copies it under the key `constructor`. */
export function hasPrototypeKey(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype')
}

// ---------------------------------------------------------------- why not: only after a refusal

function refusal(value: unknown): SluiceError {
  containersLeft = containersMax
  return findRefusal(value, '$', []) ?? new SluiceError('NOT_SERIALIZABLE', 'the data changed while it was read')
}

function findRefusal(value: unknown, path: string, ancestors: readonly object[]): SluiceError | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      if (Number.isNaN(value) || !Number.isFinite(value)) return unserializable(path, `is ${value}, which JSON writes as null`)
      return Object.is(value, -0) ? unserializable(path, 'is -0, which JSON writes as 0') : undefined
    case 'bigint':
      return unserializable(path, 'is a BigInt, which JSON cannot write', 'Send it as text, or as a number below 2^53')
    case 'undefined':
      return unserializable(path, 'is undefined, which JSON cannot write here', 'Use null')
    case 'function':
    case 'symbol':
      return unserializable(path, `is a ${typeof value}, which JSON drops`)
    default:
      return value === null ? undefined : findContainerRefusal(value as object, path, ancestors)
  }
}

function findContainerRefusal(container: object, path: string, ancestors: readonly object[]): SluiceError | undefined {
  if (ancestors.includes(container)) return unserializable(path, 'contains itself')
  if (ancestors.length >= jsonDepthMax) {
    return new SluiceError('MESSAGE_TOO_DEEP', `the data is nested deeper than ${jsonDepthMax} levels`, {
      fix: 'Flatten it, or send references instead of the parts',
      details: { depthMax: jsonDepthMax },
    })
  }
  if (--containersLeft < 0) {
    return new SluiceError('MESSAGE_TOO_LARGE', `the data has more than ${containersMax} arrays and objects`, { fix: 'Send fewer in one message' })
  }
  const within = [...ancestors, container]
  if (Array.isArray(container)) {
    if (Object.getPrototypeOf(container) !== Array.prototype && !isForeignArray(container))
      return unserializable(path, 'is an instance of a subclass of Array', 'Use Array.from')
    for (let i = 0; i < container.length; i++) {
      if (!(i in container)) return unserializable(`${path}[${i}]`, 'is a hole of a sparse array', 'Use null')
      const found = findRefusal(container[i], `${path}[${i}]`, within)
      if (found !== undefined) return found
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(container)
  if (prototype !== Object.prototype && prototype !== null && !isForeignPlain(prototype)) return classRefusal(container, path)
  for (const [key, value] of Object.entries(container)) {
    const at = `${path}.${printable(key)}`
    if (key === '__proto__' || (key === 'constructor' && hasPrototypeKey(value)))
      return unserializable(at, 'could change a prototype where it is merged', 'Rename the property')
    if (value === undefined) continue
    const found = findRefusal(value, at, within)
    if (found !== undefined) return found
  }
  return undefined
}

function classRefusal(container: object, path: string): SluiceError {
  const name = className(container)
  const fixes: Readonly<Record<string, string>> = {
    Date: 'Send toISOString() and let the schema turn it back',
    Map: 'Use Object.fromEntries',
    Set: 'Use Array.from',
  }
  const fix = fixes[name] ?? (ArrayBuffer.isView(container) ? 'Send bytes alone as Uint8Array, or as base64 text' : 'Send a plain object, e.g. { ...value }')
  return unserializable(path, `is an instance of ${name}, which would not come back as one`, fix)
}

function className(container: object): string {
  const made: unknown = container.constructor
  return typeof made === 'function' && made.name !== '' ? printable(made.name) : 'a class'
}

function unpairedSurrogate(value: unknown, path: string): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : path
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, part] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${path}[${key}]` : `${path}.${printable(key)}`
    if (!key.isWellFormed()) return at
    const found = unpairedSurrogate(part, at)
    if (found !== undefined) return found
  }
  return undefined
}

function unserializable(path: string, why: string, fix?: string): SluiceError {
  return new SluiceError('NOT_SERIALIZABLE', `${path} ${why}`, fix === undefined ? { details: { path } } : { fix, details: { path } })
}

// Property names come from the application, but may come from its users in turn: bounded, and no control characters.
function printable(name: string): string {
  const plain = name.toWellFormed().replace(/[^\p{L}\p{N}_$ .:/-]/gu, '?')
  return plain.length <= 64 ? plain : `${plain.slice(0, 64)}…`
}
