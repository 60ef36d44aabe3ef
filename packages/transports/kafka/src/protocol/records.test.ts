import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compress, decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { Reader } from './reader.ts'
import { type NewRecord, readBatches, writeBatch } from './records.ts'
import { Writer } from './writer.ts'

const nobody = { id: -1n, epoch: -1, sequence: -1, transactional: false }
const some: readonly NewRecord[] = [
  { key: 'schlüssel', value: 'größe '.repeat(50), headers: ['ce_id', 'x', 'bytes', new Uint8Array([0, 255])] },
  { key: null, value: new Uint8Array([1, 2, 3]), headers: [] },
  { key: new Uint8Array([9]), value: null, headers: ['empty', ''] },
]

/** A log: batches one behind the other, with the offsets that a broker gives them. */
function log(...batches: readonly Buffer[]): Buffer {
  let offset = 0
  return Buffer.concat(
    batches.map((batch) => {
      const copy = Buffer.from(batch)
      copy.writeBigInt64BE(BigInt(offset), 0)
      offset += copy.readInt32BE(23) + 1
      return copy
    }),
  )
}

test('the checksum is CRC-32C, at any length', () => {
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9) >>> 0, 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(32), 0, 32) >>> 0, 0x8a9136aa)
  assert.equal(crc32c(Buffer.from('xx123456789yy'), 2, 11) >>> 0, 0xe3069283)
})

test('numbers come back as they were written', () => {
  const numbers = [0, 1, -1, 63, 64, -64, -65, 300, 2 ** 31 - 1, -(2 ** 31)]
  const long = [...numbers, 2 ** 40, -(2 ** 40), 2 ** 51, -(2 ** 51)]
  const writer = new Writer(1)
  for (const number of numbers) writer.varint(number).int32(number)
  for (const number of long) writer.varlong(number).int64(number)
  for (const number of [0, 127, 128, 2 ** 32 - 1]) writer.uvarint(number)
  const reader = new Reader(writer.done())
  for (const number of numbers) assert.deepEqual([reader.varint(), reader.int32()], [number, number])
  for (const number of long) assert.deepEqual([reader.varlong(), reader.int64()], [number, number])
  for (const number of [0, 127, 128, 2 ** 32 - 1]) assert.equal(reader.uvarint(), number)
  assert.equal(reader.left, 0)
  assert.throws(() => reader.raw(1), RangeError)
})

for (const compression of ['none', 'gzip', 'zstd'] as const)
  test(`records come back as they were written (${compression})`, () => {
    const { records, nextOffset } = readBatches(log(writeBatch(some, 1_700_000_000_123, nobody, compression)), 0, [])
    assert.equal(nextOffset, 3)
    assert.deepEqual(
      records.map(({ offset, timestampMs, key, value, headers }) => [
        offset,
        timestampMs,
        key?.toString('latin1') ?? null,
        value === null ? null : [...value].length,
        headers.map(([name, bytes]) => [name, bytes?.length]),
      ]),
      [
        [
          0,
          1_700_000_000_123,
          Buffer.from('schlüssel').toString('latin1'),
          Buffer.byteLength('größe ') * 50,
          [
            ['ce_id', 1],
            ['bytes', 2],
          ],
        ],
        [1, 1_700_000_000_123, null, 3, []],
        [2, 1_700_000_000_123, '\t', null, [['empty', 0]]],
      ],
    )
  })

test('a batch that was cut off is not read, and what lies before the asked offset is left out', () => {
  const bytes = log(writeBatch(some, 1, nobody, 'none'), writeBatch(some, 2, nobody, 'none'))
  const cut = readBatches(bytes.subarray(0, bytes.length - 1), 1, [])
  assert.deepEqual([cut.records.map(({ offset }) => offset), cut.nextOffset], [[1, 2], 3])
  assert.deepEqual(
    readBatches(bytes, 5, []).records.map(({ offset }) => offset),
    [5],
  )
  assert.deepEqual(readBatches(Buffer.alloc(0), 7, []), { records: [], nextOffset: 7 })
})

test('what a transaction wrote that was given up does not count, what came after it does', () => {
  const by = (id: bigint, transactional: boolean): Buffer => writeBatch(some.slice(0, 1), 1, { id, epoch: 0, sequence: 0, transactional }, 'none')
  const marker = (id: bigint): Buffer => {
    const batch = Buffer.from(by(id, true))
    batch.writeInt16BE(batch.readInt16BE(21) | (1 << 5), 21)
    return batch
  }
  const bytes = log(by(1n, true), by(2n, true), by(3n, false), marker(1n), by(1n, true), marker(2n))
  const { records, nextOffset } = readBatches(bytes, 0, [{ producerId: 1n, firstOffset: 0 }])
  assert.deepEqual([records.map(({ offset }) => offset), nextOffset], [[1, 2, 4], 6])
})

describe('compressed by others', () => {
  const text = Buffer.from('the quick brown fox, the quick brown fox, the quick brown fox')
  test('snappy: one block', () => {
    // Length, 21 bytes as they are, then 40 more from 21 bytes back, in two copies.
    const block = Buffer.concat([Buffer.from([61, (21 - 1) << 2]), text.subarray(0, 21), Buffer.from([((30 - 1) << 2) | 2, 21, 0, ((10 - 1) << 2) | 2, 21, 0])])
    assert.deepEqual(decompress('snappy', block), text)
    assert.throws(() => decompress('snappy', block.subarray(0, 20)), RangeError)
  })
  test('snappy: as Java frames it', () => {
    const block = Buffer.concat([Buffer.from([3, 2 << 2]), Buffer.from('abc')])
    const head = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, block.length])
    assert.equal(decompress('snappy', Buffer.concat([head, block])).toString(), 'abc')
  })
  test('lz4: a frame with a compressed and a plain block', () => {
    // Token: 15 + 6 literals, a match of 4 + 15 + 16 from 21 back, then 5 literals at the end.
    const packed = Buffer.concat([Buffer.from([0xff, 6]), text.subarray(0, 21), Buffer.from([21, 0, 16]), Buffer.from([0x50]), text.subarray(56)])
    const plain = Buffer.from('!')
    const size = (length: number, raw: boolean): Buffer => {
      const word = Buffer.alloc(4)
      word.writeUInt32LE((length | (raw ? 0x80000000 : 0)) >>> 0)
      return word
    }
    const frame = Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]),
      size(packed.length, false),
      packed,
      size(1, true),
      plain,
      Buffer.alloc(4),
    ])
    assert.equal(decompress('lz4', frame).toString(), `${text}!`)
    assert.throws(() => decompress('lz4', Buffer.from('no frame')), RangeError)
  })
  test('what would be inflated without bound is refused, what is only read is not written', () => {
    assert.throws(() => decompress('snappy', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0])), RangeError)
    assert.throws(() => compress('lz4', text), { code: 'UNSUPPORTED' })
  })
})
