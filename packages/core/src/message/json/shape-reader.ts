/**
 * Reads small JSON texts whose shape (the same keys in the same order) was seen before, which messages of one type nearly
 * always have. `JSON.parse` looks every key up and puts every short value into a table of the whole process; knowing the
 * keys beforehand takes a third of its time. Whatever is not exactly as expected is left to `JSON.parse`: nothing is
 * refused here, and nothing is read here that it would read differently.
 */

/** Longer texts gain little. */
const textMax = 4_096
const shapesMax = 8
const keysMax = 64
const depthMax = 4
/** V8 copies shorter slices; a longer one would keep the whole text alive, perhaps a block of a thousand messages. */
const copiedBelow = 13
/** So many digits are exact in a double, and so is the power of ten they are divided by. */
const digitsMax = 15
const powersOfTen: readonly number[] = Array.from({ length: digitsMax + 1 }, (_, n) => 10 ** n)
/** Texts that go by between two that are learned, at most. */
const pauseMax = 1_024
/** A shape that is right so often in a row has proven itself. */
const creditMax = 32
/** Shapes that a text is tried with. */
const begunMax = 2
/** What it costs a shape to be begun in vain. */
const creditLost = 4

interface ObjectShape {
  readonly keys: readonly string[]
  /** What stands before each value: brace or comma, key, colon. */
  readonly literals: readonly string[]
  /** Of nested objects, and of the objects in a list. */
  readonly inner: readonly (ObjectShape | undefined)[]
  /** An object with all keys, to be copied: that is faster than adding them one by one. */
  readonly template: Readonly<Record<string, unknown>>
}

interface Known {
  readonly shape: ObjectShape
  readonly start: string
  credit: number
}

const failed: unique symbol = Symbol('not as expected')

/** See the header of this file. */
export class ShapeReader {
  // The ones that fit most often move to the front.
  readonly #known: Known[] = []
  #text = ''
  #at = 0
  // Learning costs more than reading: the less it helps, the rarer.
  #pause = 0
  #pauseLeft = 0

  /** The value of a text; undefined: `JSON.parse` must say. */
  read(text: string): unknown {
    if (text.length > textMax || text.includes('\\')) return undefined
    const known = this.#known
    let begun = 0
    for (let i = 0; i < known.length && begun < begunMax; i++) {
      const one = known[i] as Known
      if (!text.startsWith(one.start)) continue
      begun++
      const value = this.#whole(text, one.shape)
      if (value === failed) {
        one.credit -= creditLost
        if (one.credit < 0) known.splice(i--, 1)
        continue
      }
      if (one.credit < creditMax) {
        if (++one.credit === creditMax) this.#pause = 0
      }
      if (i > 0) {
        known[i] = known[i - 1] as Known
        known[i - 1] = one
      }
      return value
    }
    return undefined
  }

  /** Takes note of the shape of a text that `read` did not know, with the value that `JSON.parse` made of it. */
  learn(text: string, value: unknown): void {
    if (text.length > textMax || this.#pauseLeft-- > 0) return
    this.#pause = Math.min(pauseMax, this.#pause * 2 + 1)
    this.#pauseLeft = this.#pause
    const shape = gains(value) > 0 ? shapeOf(value, depthMax) : undefined
    // Spaces, escapes, keys twice: such texts would be begun in vain.
    if (shape === undefined || text.includes('\\') || this.#whole(text, shape) === failed) return
    const known = this.#known
    if (known.length === shapesMax) known.pop()
    known.push({ shape, start: shape.literals[0] as string, credit: creditLost })
  }

  #whole(text: string, shape: ObjectShape): unknown {
    this.#text = text
    this.#at = 0
    const value = this.#object(shape)
    this.#text = ''
    return this.#at === text.length ? value : failed
  }

  #object(shape: ObjectShape): unknown {
    const text = this.#text
    const { literals, keys, inner } = shape
    const object: Record<string, unknown> = { ...shape.template }
    for (let i = 0; i < literals.length; i++) {
      const literal = literals[i] as string
      if (!text.startsWith(literal, this.#at)) return failed
      this.#at += literal.length
      const value = text.charCodeAt(this.#at) === 0x5b ? this.#list(inner[i]) : this.#scalarOrObject(inner[i])
      if (value === failed) return failed
      object[keys[i] as string] = value
    }
    return text.charCodeAt(this.#at++) === 0x7d ? object : failed
  }

  #list(inner: ObjectShape | undefined): unknown {
    const text = this.#text
    const list: unknown[] = []
    if (text.charCodeAt(++this.#at) === 0x5d) {
      this.#at++
      return list
    }
    for (;;) {
      const value = this.#scalarOrObject(inner)
      if (value === failed) return failed
      list.push(value)
      const end = text.charCodeAt(this.#at++)
      if (end === 0x5d) return list
      if (end !== 0x2c) return failed
    }
  }

  #scalarOrObject(inner: ObjectShape | undefined): unknown {
    const first = this.#text.charCodeAt(this.#at)
    if (first === 0x22) return this.#string()
    if (first === 0x7b) return inner === undefined ? failed : this.#object(inner)
    if (first === 0x74) return this.#word('true', true)
    if (first === 0x66) return this.#word('false', false)
    if (first === 0x6e) return this.#word('null', null)
    return this.#number()
  }

  #word(word: string, value: unknown): unknown {
    if (!this.#text.startsWith(word, this.#at)) return failed
    this.#at += word.length
    return value
  }

  /** There is no backslash in the text, so the next quote ends it. */
  #string(): unknown {
    const text = this.#text
    const from = this.#at + 1
    const end = text.indexOf('"', from)
    if (end < 0) return failed
    this.#at = end + 1
    if (end - from >= copiedBelow) return parsed(text.slice(from - 1, end + 1))
    for (let i = from; i < end; i++) if (text.charCodeAt(i) < 0x20) return failed
    return text.slice(from, end)
  }

  #number(): unknown {
    const text = this.#text
    const negative = text.charCodeAt(this.#at) === 0x2d
    const from = negative ? this.#at + 1 : this.#at
    let at = from
    let whole = 0
    let digit = text.charCodeAt(at) - 0x30
    for (; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - 0x30) whole = whole * 10 + digit
    let digits = at - from
    // No digit, or one that JSON does not allow after a zero.
    if (digits === 0 || (digits > 1 && text.charCodeAt(from) === 0x30)) return failed
    let decimals = 0
    if (digit === -2) {
      const point = at
      digit = text.charCodeAt(++at) - 0x30
      for (; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - 0x30) whole = whole * 10 + digit
      decimals = at - point - 1
      digits += decimals
      if (decimals === 0) return failed
    }
    // An exponent ("e", "E"), or digits that need more care than this.
    if (digits > digitsMax || digit === 0x35 || digit === 0x15) return failed
    this.#at = at
    const value = decimals === 0 ? whole : whole / (powersOfTen[decimals] as number)
    return negative ? -value : value
  }
}

/** A string with its quotes: copied, and checked for control characters. */
function parsed(quoted: string): unknown {
  try {
    return JSON.parse(quoted)
  } catch {
    return failed
  }
}

/** Whether there is something to gain: above 0. Long strings are what `JSON.parse` reads faster, by about two short values each. */
function gains(value: unknown): number {
  if (typeof value === 'string') return value.length < copiedBelow ? 1 : -2
  if (typeof value !== 'object' || value === null) return 1
  let sum = 0
  for (const part of Object.values(value)) sum += gains(part)
  return sum
}

function shapeOf(value: unknown, levels: number): ObjectShape | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || levels === 0) return undefined
  const object = value as Readonly<Record<string, unknown>>
  const keys = Object.keys(object)
  if (keys.length === 0 || keys.length > keysMax || keys.includes('__proto__') || keys.includes('constructor')) return undefined
  const template: Record<string, unknown> = {}
  const inner: (ObjectShape | undefined)[] = []
  for (const key of keys) {
    const part = object[key]
    template[key] = typeof part === 'string' ? '' : typeof part === 'number' ? 0 : null
    inner.push(shapeOf(Array.isArray(part) ? part[0] : part, levels - 1))
  }
  return { keys, literals: keys.map((key, i) => `${i === 0 ? '{' : ','}${JSON.stringify(key)}:`), inner, template }
}
