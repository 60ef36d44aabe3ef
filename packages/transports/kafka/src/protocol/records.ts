/** Record batches (format 2), as they are in a partition's log and in requests. */
import { type Compression, compress, decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

/** One record to be written. */
export interface NewRecord {
  readonly key: string | Uint8Array | null
  readonly value: string | Uint8Array | null
  /** Names and values in turn. */
  readonly headers: readonly (string | Uint8Array)[]
}

/** One record that was read. Its bytes share memory with the answer. */
export interface KafkaRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
}

/** Who writes a batch, for the broker's own deduplication. */
export interface BatchProducer {
  readonly id: bigint
  readonly epoch: number
  readonly sequence: number
  readonly transactional: boolean
}

const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const transactionalBit = 1 << 4
const controlBit = 1 << 5
/** Bytes before `attributes`: offset, length, leader epoch, magic, checksum. */
const headBytes = 8 + 4 + 4 + 1 + 4
const crcAt = headBytes - 4

/** A batch of records, all of one time. */
export function writeBatch(records: readonly NewRecord[], nowMs: number, producer: BatchProducer, compression: Compression): Buffer {
  const body = new Writer(256 * records.length)
  const one = new Writer(512)
  records.forEach((record, index) => {
    one.clear()
    one.int8(0).varlong(0).varint(index).field(record.key).field(record.value)
    one.varint(record.headers.length / 2)
    for (const part of record.headers) one.field(part)
    body.varint(one.length).raw(one.done())
  })
  const packed = compress(compression, body.done())
  const out = new Writer(packed.length + 80)
  out.int64(0).int32(0).int32(-1).int8(2).int32(0)
  out.int16(compressions.indexOf(compression) | (producer.transactional ? transactionalBit : 0))
  out
    .int32(records.length - 1)
    .int64(nowMs)
    .int64(nowMs)
  out.big(producer.id).int16(producer.epoch).int32(producer.sequence)
  out.int32(records.length).raw(packed)
  out.patch32(8, out.length - 12)
  const bytes = out.done()
  out.patch32(crcAt, crc32c(bytes, headBytes, bytes.length))
  return bytes
}

/** A transaction that was given up: what its producer wrote from this offset on does not count. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** What a fetch brought of one partition: records that count, and where to go on. */
export interface ReadBatches {
  readonly records: readonly KafkaRecord[]
  readonly nextOffset: number
}

/** Reads the batches of an answer from `offset` on; markers and aborted records are left out, a batch that was cut off is not read. */
export function readBatches(bytes: Buffer, offset: number, aborted: readonly AbortedTransaction[]): ReadBatches {
  const records: KafkaRecord[] = []
  const abortedLeft = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const abortedNow = new Set<bigint>()
  let nextOffset = offset
  for (let at = 0; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const batch = readHead(new Reader(bytes.subarray(at, end)))
    at = end
    nextOffset = Math.max(nextOffset, batch.lastOffset + 1)
    for (let first = abortedLeft[0]; first !== undefined && first.firstOffset <= batch.lastOffset; first = abortedLeft[0]) {
      abortedNow.add(first.producerId)
      abortedLeft.shift()
    }
    if ((batch.attributes & controlBit) !== 0) {
      abortedNow.delete(batch.producerId)
      continue
    }
    if ((batch.attributes & transactionalBit) !== 0 && abortedNow.has(batch.producerId)) continue
    readRecords(batch, offset, records)
  }
  return { records, nextOffset }
}

interface Batch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly attributes: number
  readonly timestampMs: number
  readonly maxTimestampMs: number
  readonly producerId: bigint
  readonly count: number
  readonly rest: Reader
}

function readHead(reader: Reader): Batch {
  const baseOffset = reader.int64()
  reader.at = headBytes
  const attributes = reader.int16()
  const lastOffset = baseOffset + reader.int32()
  const timestampMs = reader.int64()
  const maxTimestampMs = reader.int64()
  const producerId = reader.big()
  reader.at += 6
  const count = reader.int32()
  const compression = compressions[attributes & 7] ?? 'none'
  const rest = compression === 'none' ? reader : new Reader(decompress(compression, reader.raw(reader.left)))
  return { baseOffset, lastOffset, attributes, timestampMs, maxTimestampMs, producerId, count, rest }
}

function readRecords({ baseOffset, attributes, timestampMs, maxTimestampMs, count, rest }: Batch, from: number, into: KafkaRecord[]): void {
  // Bit 3: the broker's own time counts, which is the batch's.
  const isLogTime = (attributes & 8) !== 0
  for (let i = 0; i < count; i++) {
    const length = rest.varint()
    const end = rest.at + length
    rest.int8()
    const delta = rest.varlong()
    const offset = baseOffset + rest.varint()
    if (offset < from) {
      rest.at = end
      continue
    }
    const key = rest.field()
    const value = rest.field()
    const headers: [string, Buffer | null][] = []
    for (let left = rest.varint(); left > 0; left--) headers.push([(rest.field() ?? Buffer.alloc(0)).toString(), rest.field()])
    rest.at = end
    into.push({ offset, timestampMs: isLogTime ? maxTimestampMs : timestampMs + delta, key, value, headers })
  }
}
