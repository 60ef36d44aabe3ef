/** A block as read; the layout stands in `block-layout.ts`. */
import { isAscii } from 'node:buffer'
import { type Envelope, SluiceError } from '@sluice/core/transport'
import { attributeNames, columnFault, isAttributeName } from './attribute-column.ts'
import { contentChecksum, headBytes, placeChecksum } from './block-layout.ts'

/** A row of the table `block`, with `first` = first position. */
export interface BlockRow {
  readonly first: number
  readonly count: number
  readonly seq: number
  readonly stored_at_ms: number
  readonly bytes: number
  readonly data: Uint8Array
}

const noBytes = new Uint8Array()
type Json = Record<string, unknown>

interface TextColumn {
  readonly name: string
  /** Where each message's text begins in the text; of an absent one: where it would. */
  readonly offsets: Int32Array
  /** -1: absent. */
  readonly lengths: Int32Array
}

interface Decoded {
  /** All attributes that some message has, in one shape; those that all agree on have their value. */
  readonly template: Json
  readonly columns: readonly TextColumn[]
  readonly lists: readonly (readonly [name: string, values: readonly unknown[]])[]
  /** Whether every message has every attribute. */
  readonly full: boolean
  readonly text: string
  readonly binaries: Uint8Array
  readonly lengths: Int32Array
  readonly offsets: Int32Array
  readonly overheadBytes: number
}

/**
 * A block as read: its place and hashes at once, everything else when the first of its messages is wanted. A damaged one
 * throws nowhere by itself: who reads asks `placeFault` before hashes, and `fault` before messages.
 */
export class Block {
  readonly first: number
  readonly count: number
  readonly seq: number
  readonly storedAtMs: number
  readonly bytes: number
  /** Set: nothing of this block can be trusted, not even which partitions its messages are in. */
  readonly placeFault: SluiceError | undefined
  readonly #hashes: Uint32Array
  /** Let go once it is decoded. */
  #data: Uint8Array | undefined
  #decoded: Decoded | undefined
  #fault: SluiceError | undefined

  constructor(row: BlockRow, channelId: number) {
    this.first = row.first
    const countable = Number.isSafeInteger(row.count) && row.count > 0
    this.count = countable ? row.count : 1
    this.seq = row.seq
    this.storedAtMs = row.stored_at_ms
    this.bytes = Number.isSafeInteger(row.bytes) && row.bytes >= 0 ? row.bytes : 0
    const data = row.data instanceof Uint8Array ? row.data : new Uint8Array()
    const view = viewOf(data)
    const place = { channelId, first: row.first, seq: row.seq, storedAtMs: row.stored_at_ms }
    const whole =
      countable &&
      data.byteLength >= headBytes + 8 * row.count &&
      [row.seq, row.stored_at_ms, row.bytes].every((one) => typeof one === 'number') &&
      placeChecksum(data, place, row.count, row.bytes) === view.getUint32(0, true)
    this.placeFault = whole ? undefined : damaged(row.first, this.count)
    this.#hashes = new Uint32Array(whole ? row.count : 0)
    if (!whole) return
    this.#data = data
    for (let i = 0; i < row.count; i++) this.#hashes[i] = view.getUint32(headBytes + i * 4, true)
  }

  /** Position after the last message. */
  get end(): number {
    return this.first + this.count
  }

  /** @throws SluiceError STORE_CORRUPT */
  hashAt(index: number): number {
    if (this.placeFault !== undefined) throw this.placeFault
    return this.#hashes[index] as number
  }

  /** STORE_CORRUPT if its messages cannot be read. */
  get fault(): SluiceError | undefined {
    if (this.#decoded !== undefined) return undefined
    this.#fault ??= this.placeFault
    if (this.#fault !== undefined) return this.#fault
    const data = this.#data as Uint8Array
    this.#data = undefined
    this.#decoded = decode(data, viewOf(data), this.count, this.bytes)
    if (this.#decoded === undefined) this.#fault = damaged(this.first, this.count)
    return this.#fault
  }

  #messages(): Decoded {
    const decoded = this.#decoded
    if (decoded !== undefined) return decoded
    const fault = this.fault
    if (fault !== undefined) throw fault
    return this.#messages()
  }

  /** Attributes and body of one message, bytes (attributes: the block's average). @throws SluiceError STORE_CORRUPT */
  sizeAt(index: number): number {
    const { lengths, overheadBytes } = this.#messages()
    const length = lengths[index] as number
    return overheadBytes + (length >= 0 ? length : -1 - length)
  }

  /** @throws SluiceError STORE_CORRUPT */
  envelopeAt(index: number): Envelope {
    const { template, columns, lists, full, text, binaries, lengths, offsets } = this.#messages()
    const made: Json = { ...template }
    for (let c = 0; c < columns.length; c++) {
      const column = columns[c] as TextColumn
      const from = column.offsets[index] as number
      const length = column.lengths[index] as number
      if (length >= 0) made[column.name] = text.slice(from, from + length)
    }
    for (let l = 0; l < lists.length; l++) {
      const [name, values] = lists[l] as Decoded['lists'][number]
      if (values[index] !== null) made[name] = values[index]
    }
    const length = lengths[index] as number
    const at = offsets[index] as number
    made['body'] = length >= 0 ? text.slice(at, at + length) : binaries.subarray(at, at - 1 - length)
    if (!full) return presentOnly(made) as unknown as Envelope
    // The names and kinds were checked when it was decoded.
    return made as unknown as Envelope
  }
}

/** Absent attributes are absent properties; `delete` would make a slow object of it. */
function presentOnly(made: Json): Json {
  const present: Json = {}
  for (const name in made) if (made[name] !== undefined) present[name] = made[name]
  return present
}

/** undefined: damaged, or made by somebody who is not Sluice. */
function decode(data: Uint8Array, view: DataView, count: number, bytes: number): Decoded | undefined {
  if (contentChecksum(data, count) !== view.getUint32(4, true)) return undefined
  const textBytes = view.getUint32(12, true)
  const listCount = view.getUint32(16, true)
  const textAt = headBytes + 4 * count * (1 + listCount)
  if (listCount === 0 || textAt + textBytes > data.byteLength) return undefined
  const text = textOf(data, textAt, textBytes)
  const lists: Int32Array[] = []
  for (let l = 0; l < listCount; l++) lists.push(listAt(view, headBytes + 4 * count * (1 + l), count))
  const headerLength = view.getUint32(8, true)
  const header = parseHeader(text.slice(0, headerLength), count)
  if (header === undefined) return undefined
  let at = headerLength
  const columns: TextColumn[] = []
  for (const [name, width] of header.texts) {
    const lengths = width >= 0 ? new Int32Array(count).fill(width) : lists.shift()
    if (lengths === undefined) return undefined
    const offsets = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      const length = lengths[i] as number
      offsets[i] = at
      if (length < -1) return undefined
      if (length > 0) at += length
    }
    columns.push({ name, offsets, lengths })
  }
  const lengths = lists.shift()
  if (lengths === undefined || lists.length > 0) return undefined
  const textFrom = at
  const offsets = new Int32Array(count)
  let binary = 0
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number
    offsets[i] = length >= 0 ? at : binary
    if (length >= 0) at += length
    else binary += -1 - length
  }
  if (at !== text.length || binary !== data.byteLength - textAt - textBytes) return undefined
  const template: Json = {}
  for (const name of attributeNames) {
    if (Object.hasOwn(header.constants, name)) template[name] = header.constants[name]
    else if (columns.some((column) => column.name === name) || header.lists.some(([other]) => other === name)) template[name] = undefined
  }
  for (const required of ['id', 'type', 'source', 'time']) if (!Object.hasOwn(template, required)) return undefined
  const full = columns.every((column) => !column.lengths.includes(-1)) && header.lists.every(([, values]) => !values.includes(null))
  if (!full && !hasRequired(columns, header.lists)) return undefined
  template['body'] = ''
  const overheadBytes = Math.max(0, Math.round((bytes - (at - textFrom) - binary) / count))
  return {
    template,
    columns,
    lists: header.lists,
    full,
    text,
    binaries: binary === 0 ? noBytes : new Uint8Array(data.buffer, data.byteOffset + textAt + textBytes, binary),
    lengths,
    offsets,
    overheadBytes,
  }
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength)
}

/** ASCII, the common case, is decoded three times as fast. */
function textOf(data: Uint8Array, from: number, length: number): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset + from, length)
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')
}

function listAt(view: DataView, from: number, count: number): Int32Array {
  const list = new Int32Array(count)
  for (let i = 0; i < count; i++) list[i] = view.getInt32(from + i * 4, true)
  return list
}

interface Header {
  readonly constants: Json
  readonly texts: readonly (readonly [name: string, width: number])[]
  readonly lists: readonly (readonly [name: string, values: readonly unknown[]])[]
}

/** The checksum says that nothing flipped by itself; this, that whoever wrote it meant envelopes. */
function parseHeader(text: string, count: number): Header | undefined {
  let parsed: { c?: unknown; v?: unknown; j?: unknown } | null
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { c, v, j } = parsed
  if (!isPlain(c) || !isPlain(j) || !Array.isArray(v)) return undefined
  const seen = new Set<string>()
  const isNew = (name: unknown): name is string => typeof name === 'string' && isAttributeName(name) && !seen.has(name) && seen.add(name) !== undefined
  for (const name of Object.keys(c)) if (!isNew(name) || columnFault(name, [c[name]])) return undefined
  const texts: [string, number][] = []
  for (const one of v) {
    if (!Array.isArray(one) || one.length !== 2 || !isNew(one[0]) || columnFault(one[0], [''])) return undefined
    if (!Number.isSafeInteger(one[1]) || one[1] < -1 || one[1] > 0x7fff_ffff) return undefined
    texts.push([one[0], one[1]])
  }
  const lists: [string, readonly unknown[]][] = []
  for (const name of Object.keys(j)) {
    const values = j[name]
    if (!isNew(name) || !Array.isArray(values) || values.length !== count) return undefined
    if (
      columnFault(
        name,
        values.filter((value) => value !== null),
      )
    )
      return undefined
    lists.push([name, values])
  }
  return { constants: c, texts, lists }
}

function isPlain(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasRequired(columns: readonly TextColumn[], lists: Header['lists']): boolean {
  const required = (name: string): boolean => name === 'id' || name === 'type' || name === 'source' || name === 'time'
  return (
    columns.every((column) => !required(column.name) || !column.lengths.includes(-1)) &&
    lists.every(([name, values]) => !required(name) || !values.includes(null))
  )
}

function damaged(first: number, count: number): SluiceError {
  return new SluiceError('STORE_CORRUPT', `the messages from position ${first} on are damaged`, {
    fix: 'Run `sluice check` on the file, and restore it from a backup',
    details: { first, count },
  })
}

/** Stands where the log has a hole: positions that were given out, are not trimmed, and are not there. */
export function missingBlock(first: number, end: number): Block {
  return new Block({ first, count: end - first, seq: 0, stored_at_ms: 0, bytes: 0, data: new Uint8Array() }, 0)
}
