/**
 * A block: consecutive messages of a channel in one row. Attributes are stored by column (one value where all messages
 * agree, else a list), so that 500 messages cost one JSON.parse; text bodies are concatenated and sliced when a message
 * is delivered (V8 slices without copying), binary bodies likewise.
 *
 * `attributes` is JSON: { c: constants, v: { name: values, null where absent }, n: body lengths; negative: binary }.
 */
import { type Envelope, SluiceError } from '@sluice/core/transport'

/** What is written for a block, beside its position. */
export interface EncodedBlock {
  readonly count: number
  readonly hashes: Uint8Array
  readonly attributes: string
  readonly bodies: string
  readonly binaries: Uint8Array | null
  /** Sum of what the messages' owners counted. */
  readonly bytes: number
}

/** One message to be written. */
export interface BlockEntry {
  readonly envelope: Envelope
  readonly hash: number
  readonly sizeBytes: number
}

const attributeNames = [
  'id',
  'type',
  'source',
  'time',
  'subject',
  'datacontenttype',
  'datacontentencoding',
  'dataschema',
  'partitionkey',
  'sequence',
  'schemaversion',
  'correlationid',
  'causationid',
  'traceparent',
  'tracestate',
  'expirytime',
  'notbefore',
  'attempt',
  'tags',
  'replyto',
  'replyfor',
  'producerid',
  'producerepoch',
  'producerseq',
  'headers',
] as const satisfies readonly (keyof Envelope)[]

type Column = unknown[]

function column(entries: readonly BlockEntry[], name: keyof Envelope): { constant: unknown } | { values: Column } {
  const first: unknown = (entries[0] as BlockEntry).envelope[name]
  let same = 1
  while (same < entries.length && (entries[same] as BlockEntry).envelope[name] === first) same++
  if (same === entries.length) return { constant: first }
  const values: Column = new Array(entries.length)
  for (let i = 0; i < entries.length; i++) values[i] = (entries[i] as BlockEntry).envelope[name] ?? null
  return { values }
}

/** Encodes at least one message. */
export function encodeBlock(entries: readonly BlockEntry[]): EncodedBlock {
  const c: Record<string, unknown> = {}
  const v: Record<string, Column> = {}
  for (const name of attributeNames) {
    const made = column(entries, name)
    if ('values' in made) v[name] = made.values
    else if (made.constant !== undefined) c[name] = made.constant
  }
  const count = entries.length
  const n: number[] = new Array(count)
  const hashes = new Uint8Array(count * 4)
  const view = new DataView(hashes.buffer)
  let bodies = ''
  let bytes = 0
  let binaryBytes = 0
  for (let i = 0; i < count; i++) {
    const entry = entries[i] as BlockEntry
    const body = entry.envelope.body
    if (typeof body === 'string') {
      bodies += body
      n[i] = body.length
    } else {
      // -1 is the empty binary body, so that it differs from the empty text.
      n[i] = -1 - body.byteLength
      binaryBytes += body.byteLength
    }
    view.setUint32(i * 4, entry.hash, true)
    bytes += entry.sizeBytes
  }
  let binaries: Uint8Array | null = null
  if (binaryBytes > 0) {
    binaries = new Uint8Array(binaryBytes)
    let at = 0
    for (const {
      envelope: { body },
    } of entries) {
      if (typeof body === 'string') continue
      binaries.set(body, at)
      at += body.byteLength
    }
  }
  return { count, hashes, attributes: JSON.stringify({ c, v, n }), bodies, binaries, bytes }
}

/** A row of the table `block`, with `first` = first position. */
export interface BlockRow {
  readonly first: number
  readonly count: number
  readonly seq: number
  readonly stored_at_ms: number
  readonly bytes: number
  readonly hashes: Uint8Array
  readonly attributes: string
  readonly bodies: string
  readonly binaries: Uint8Array | null
}

interface Attributes {
  readonly c: Record<string, unknown>
  readonly v: Record<string, Column>
  readonly n: readonly number[]
}

interface Decoded {
  readonly constants: Record<string, unknown>
  readonly names: readonly string[]
  readonly columns: readonly Column[]
  readonly lengths: readonly number[]
  readonly offsets: Int32Array
  readonly overheadBytes: number
}

/** A block as read: hashes at once, everything else when the first of its messages is wanted. */
export class Block {
  readonly first: number
  readonly count: number
  /** Number of the commit that wrote it: delivered only when that commit is synced. */
  readonly seq: number
  readonly storedAtMs: number
  readonly bytes: number
  readonly #row: BlockRow
  readonly #hashes: DataView
  #decoded: Decoded | undefined

  constructor(row: BlockRow) {
    this.first = row.first
    this.count = row.count
    this.seq = row.seq
    this.storedAtMs = row.stored_at_ms
    this.bytes = row.bytes
    this.#row = row
    this.#hashes = new DataView(row.hashes.buffer, row.hashes.byteOffset, row.hashes.byteLength)
    if (row.hashes.byteLength !== row.count * 4) throw damaged(row.first)
  }

  /** Position after the last message. */
  get end(): number {
    return this.first + this.count
  }

  hashAt(index: number): number {
    return this.#hashes.getUint32(index * 4, true)
  }

  #decode(): Decoded {
    if (this.#decoded !== undefined) return this.#decoded
    let parsed: Attributes
    try {
      parsed = JSON.parse(this.#row.attributes) as Attributes
    } catch {
      throw damaged(this.first)
    }
    const names = Object.keys(parsed.v)
    const lengths = parsed.n
    if (lengths.length !== this.count) throw damaged(this.first)
    const offsets = new Int32Array(this.count)
    let text = 0
    let binary = 0
    for (let i = 0; i < this.count; i++) {
      const length = lengths[i] as number
      if (length >= 0) {
        offsets[i] = text
        text += length
      } else {
        offsets[i] = binary
        binary += -1 - length
      }
    }
    if (text !== this.#row.bodies.length || binary !== (this.#row.binaries?.byteLength ?? 0)) throw damaged(this.first)
    const overheadBytes = Math.max(0, Math.round((this.bytes - text - binary) / this.count))
    this.#decoded = { constants: parsed.c, names, columns: names.map((name) => parsed.v[name] as Column), lengths, offsets, overheadBytes }
    return this.#decoded
  }

  /** Attributes and body of one message, bytes (attributes: the block's average). */
  sizeAt(index: number): number {
    const { lengths, overheadBytes } = this.#decode()
    const length = lengths[index] as number
    return overheadBytes + (length >= 0 ? length : -1 - length)
  }

  envelopeAt(index: number): Envelope {
    const { constants, names, columns, lengths, offsets } = this.#decode()
    const made: Record<string, unknown> = { ...constants }
    for (let c = 0; c < names.length; c++) {
      const value = (columns[c] as Column)[index]
      if (value !== null) made[names[c] as string] = value
    }
    const length = lengths[index] as number
    const at = offsets[index] as number
    made['body'] = length >= 0 ? this.#row.bodies.slice(at, at + length) : (this.#row.binaries ?? new Uint8Array()).subarray(at, at - 1 - length)
    // What the file holds is what `encodeBlock` was given: envelopes.
    return made as unknown as Envelope
  }
}

function damaged(position: number): SluiceError {
  return new SluiceError('STORE_CORRUPT', `the messages at position ${position} are damaged`, {
    fix: 'Stop all services that use the file and restore it from a backup',
  })
}
