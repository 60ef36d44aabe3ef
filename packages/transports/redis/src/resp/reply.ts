/**
 * Answers in RESP 2. An answer is first walked over by its lengths, which goes on where it stopped when more bytes come;
 * once all of it is there, it is read in one go from one piece of memory.
 */
import { Buffer, isAscii, isUtf8 } from 'node:buffer'

/** An error that the server answered: its first word is its kind (`OOM`, `NOSCRIPT`, `WRONGTYPE` …). */
export class RedisError extends Error {
  readonly kind: string

  constructor(text: string) {
    super(text)
    this.name = 'RedisError'
    this.kind = /^[A-Z]+/.exec(text)?.[0] ?? 'ERR'
  }
}

/** What the server sent is no answer: its stream cannot be followed any further. */
export class NotResp extends Error {
  constructor() {
    super('the server answered something that is not RESP')
    this.name = 'NotResp'
  }
}

/** An answer as read by {@link readReply}: bulk strings are text, or bytes where they are not UTF-8. */
export type Reply = string | Uint8Array | number | null | RedisError | readonly Reply[]

/** Bytes that hold at least one whole answer, and where the reading stands. `text` is there when they are all ASCII: slicing it copies nothing. */
export interface Source {
  readonly bytes: Buffer
  readonly text: string | undefined
  at: number
}

export function sourceOf(bytes: Buffer): Source {
  return { bytes, text: isAscii(bytes) ? bytes.toString('latin1') : undefined, at: 0 }
}

const cr = 13
const zero = 48
const nine = 57
const minus = 45
const plusSign = 43
const colon = 58
const dollar = 36
const star = 42

/** Reads the number that ends at the next CR LF, and moves behind it. */
export function readNumber(source: Source): number {
  const { bytes } = source
  let at = source.at
  const negative = bytes[at] === minus
  if (negative) at++
  let value = 0
  for (let byte = bytes[at]; byte !== cr; byte = bytes[++at]) {
    if (byte === undefined || byte < zero || byte > nine) throw new NotResp()
    value = value * 10 + byte - zero
  }
  source.at = at + 2
  return negative ? -value : value
}

function readLength(source: Source): number {
  if (source.bytes[source.at++] !== dollar) throw new NotResp()
  const length = readNumber(source)
  if (length < 0) throw new NotResp()
  return length
}

/** Reads a bulk string whose `$` is next, as text. */
export function readText(source: Source): string {
  const length = readLength(source)
  const from = source.at
  source.at = from + length + 2
  return source.text === undefined ? source.bytes.toString('utf8', from, from + length) : source.text.slice(from, from + length)
}

/** Reads a bulk string whose `$` is next, as bytes of its own. */
export function readBytes(source: Source): Uint8Array {
  const length = readLength(source)
  const from = source.at
  source.at = from + length + 2
  return new Uint8Array(source.bytes.subarray(from, from + length))
}

/** Whether the array or bulk string that is next is null. Moves behind it if so. */
export function skipNull(source: Source): boolean {
  if (source.bytes[source.at + 1] !== minus) return false
  source.at += 5
  return true
}

/** Length of the array whose `*` is next; moves to its first element. */
export function readArray(source: Source): number {
  if (source.bytes[source.at++] !== star) throw new NotResp()
  return readNumber(source)
}

/** Whether an error is next. */
export function isError(source: Source): boolean {
  return source.bytes[source.at] === minus
}

/** Reads any answer. */
export function readReply(source: Source): Reply {
  const { bytes } = source
  switch (bytes[source.at]) {
    case plusSign:
      return readLine(source)
    case minus:
      return new RedisError(readLine(source))
    case colon:
      source.at++
      return readNumber(source)
    case dollar:
      return skipNull(source) ? null : readBulk(source)
    case star: {
      if (skipNull(source)) return null
      const count = readArray(source)
      const list: Reply[] = new Array(count)
      for (let i = 0; i < count; i++) list[i] = readReply(source)
      return list
    }
    default:
      throw new NotResp()
  }
}

function readLine(source: Source): string {
  const end = source.bytes.indexOf(cr, source.at)
  const line = source.bytes.toString('utf8', source.at + 1, end)
  source.at = end + 2
  return line
}

function readBulk(source: Source): string | Uint8Array {
  if (source.text !== undefined) return readText(source)
  const bytes = readBytes(source)
  return isUtf8(bytes) ? Buffer.from(bytes.buffer).toString('utf8') : bytes
}

/** Finds the end of answers as bytes come in. */
export class ReplyScanner {
  #chunks: Buffer[] = []
  #length = 0
  // Elements still to be walked over until the answer is whole; where the walk stands, counted over all chunks.
  #left = 1
  #at = 0
  #bytes: Buffer = Buffer.alloc(0)

  /** More bytes came. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** The next `count` answers as one piece, or undefined when they are not all there yet. Called again with the same count. */
  take(count: number, walked: { count: number }): Source | undefined {
    while (walked.count < count) {
      if (!this.#walk()) return undefined
      walked.count++
    }
    const whole = this.#joined().subarray(0, this.#at)
    this.#chunks = [this.#bytes.subarray(this.#at)]
    this.#length -= this.#at
    this.#bytes = this.#chunks[0] as Buffer
    this.#at = 0
    return sourceOf(whole)
  }

  /** Walks to the end of one answer; false: it is not all there. */
  #walk(): boolean {
    // A long bulk string is jumped over before its bytes are here: nothing is joined for it.
    if (this.#at >= this.#length) return this.#left === 0 && this.#at === this.#length && this.#finish()
    const bytes = this.#joined()
    const length = this.#length
    let at = this.#at
    let left = this.#left
    while (left > 0 && at < length) {
      const kind = bytes[at]
      let end = at + 1
      let size = 0
      if (kind === star || kind === dollar) {
        const negative = bytes[end] === minus
        let byte = bytes[end]
        if (negative) byte = bytes[++end]
        while (byte !== cr && end < length) {
          if (byte === undefined || byte < zero || byte > nine) throw new NotResp()
          size = size * 10 + byte - zero
          byte = bytes[++end]
        }
        if (negative) size = -1
      } else {
        if (kind !== plusSign && kind !== minus && kind !== colon) throw new NotResp()
        end = bytes.indexOf(cr, at)
        if (end < 0) end = length
      }
      // The line is not all here: it is walked over again.
      if (end + 1 >= length) break
      left--
      at = end + 2
      if (kind === dollar && size >= 0) at += size + 2
      else if (kind === star && size > 0) left += size
    }
    this.#at = at
    this.#left = left
    return left === 0 && at <= length && this.#finish()
  }

  #finish(): boolean {
    this.#left = 1
    return true
  }

  #joined(): Buffer {
    if (this.#bytes.length !== this.#length) {
      this.#bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      this.#chunks = [this.#bytes]
    }
    return this.#bytes
  }
}
