import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { type Envelope, isSluiceError, seededRandom } from '@sluice/core/transport'
import { Block, type BlockRow } from './block.ts'
import { encodeBlock } from './encode-block.ts'

const time = '2026-01-01T00:00:00.000Z'
const envelopes: readonly Envelope[] = [
  { id: '1', type: 'a', source: 's', time, body: '{"x":1}' },
  { id: '2', type: 'a', source: 's', time, partitionkey: 'k', headers: { tenant: 't' }, tags: ['x', 'y'], body: '' },
  { id: '3', type: 'b', source: 's', time, datacontenttype: 'application/octet-stream', body: new Uint8Array([0, 255, 1]) },
  { id: '4', type: 'b', source: 's', time, schemaversion: 2, body: new Uint8Array() },
  { id: 'ü\u{1F600}', type: 'b', source: 's', time: '2026-01-02T00:00:00.000Z', subject: '', body: 'NUL \0 and \u{1F600} and é' },
  { id: 'half \ud83d', type: 'b', source: 's', time, body: 'x' },
]
const place = { channelId: 7, first: 10, seq: 3, storedAtMs: 5 }

function row(entries: readonly Envelope[], change: Partial<BlockRow> = {}): BlockRow {
  const encoded = encodeBlock(
    entries.map((envelope, i) => ({ envelope, hash: (i * 0x20000001) >>> 0, sizeBytes: 100 })),
    place,
  )
  return { first: place.first, seq: place.seq, stored_at_ms: place.storedAtMs, ...encoded, ...change }
}

const isDamaged = (error: unknown): boolean => isSluiceError(error, 'STORE_CORRUPT')

test('a block gives back each message as it was', () => {
  const alike = Array.from(
    { length: 40 },
    (_, i): Envelope => ({ id: `id-${i + 10}`, type: 'a', source: 's', time, partitionkey: `k${i}`, body: `{"n":${i}}` }),
  )
  for (const some of [envelopes, envelopes.slice(0, 1), envelopes.slice(2, 3), [...envelopes].reverse(), alike]) {
    const block = new Block(row(some), place.channelId)
    assert.equal(block.fault, undefined)
    some.forEach((envelope, i) => {
      assert.deepEqual(block.envelopeAt(i), envelope)
      assert.equal(block.hashAt(i), (i * 0x20000001) >>> 0)
    })
    assert.equal(block.end, 10 + some.length)
  }
})

test('no attribute is forgotten', () => {
  const all: Required<Envelope> = {
    ...{ id: '1', type: 'a', source: 's', time, subject: 'u', datacontenttype: 'text/plain', datacontentencoding: 'gzip', dataschema: 'urn:x' },
    ...{ partitionkey: 'k', sequence: '4', schemaversion: 2, correlationid: 'c', causationid: 'd', traceparent: 'p', tracestate: 't' },
    ...{ expirytime: time, notbefore: time, attempt: 1, tags: ['x'], replyto: 'r', replyfor: 'f', producerid: 'q', producerepoch: 3, producerseq: 4 },
    ...{ headers: { a: 'b' }, body: '' },
  }
  const bare: Envelope = { id: '2', type: 'a', source: 's', time, body: '' }
  for (const name of Object.keys(all) as (keyof Envelope)[]) {
    const one = { ...bare, [name]: all[name] }
    const block = new Block(row([bare, one, one]), place.channelId)
    assert.deepEqual([block.envelopeAt(0), block.envelopeAt(1), block.envelopeAt(2)], [bare, one, one])
  }
})

test('every flipped bit of a block is noticed, and one in the messages leaves the hashes', () => {
  const whole = row(envelopes)
  const hashesEnd = 20 + 4 * envelopes.length
  for (let bit = 0; bit < whole.data.length * 8; bit++) {
    const data = new Uint8Array(whole.data)
    data[bit >> 3] = (data[bit >> 3] as number) ^ (1 << (bit & 7))
    const block = new Block({ ...whole, data }, place.channelId)
    assert.ok(isDamaged(block.fault), `bit ${bit}`)
    assert.throws(() => block.envelopeAt(0), isDamaged)
    const inHashes = bit >> 3 < 4 || (bit >> 3 >= 20 && bit >> 3 < hashesEnd)
    assert.equal(block.placeFault !== undefined, inHashes, `bit ${bit}`)
  }
})

test('a block with another place, length or type of column is damaged', () => {
  const whole = row(envelopes)
  const changes: readonly Partial<Record<keyof BlockRow, unknown>>[] = [
    { first: 11 },
    { seq: 4 },
    { stored_at_ms: 6 },
    { bytes: 1 },
    { count: 5 },
    { count: 0 },
    { count: 1e9 },
    { count: 'x' },
    { count: null },
    { seq: '3' },
    { data: null },
    { data: 'text' },
    { data: new Uint8Array() },
    { data: whole.data.subarray(0, whole.data.length - 1) },
  ]
  for (const change of changes) assert.ok(isDamaged(new Block({ ...whole, ...(change as Partial<BlockRow>) }, place.channelId).fault), JSON.stringify(change))
  assert.ok(isDamaged(new Block(whole, 8).placeFault))
})

/** A block as a stranger would write it: its checksums fit, its header does not. */
function forged(header: string, lengths: readonly (readonly number[])[] = [[1]]): BlockRow {
  const text = Buffer.from(`${header}x`)
  const head = Buffer.alloc(20 + 4 + 4 * lengths.length)
  head.writeUInt32LE(header.length, 8)
  head.writeUInt32LE(text.length, 12)
  head.writeUInt32LE(lengths.length, 16)
  for (const [l, list] of lengths.entries()) head.writeInt32LE(list[0] as number, 24 + 4 * l)
  const data = Buffer.concat([head, text])
  const numbers = Buffer.alloc(48)
  for (const [i, number] of [7, 10, 3, 5, 1, 1].entries()) numbers.writeDoubleLE(number, 8 * i)
  data.writeUInt32LE(crc32(data.subarray(20, 24), crc32(numbers)), 0)
  data.writeUInt32LE(crc32(data.subarray(24), crc32(data.subarray(8, 20))), 4)
  return { first: 10, count: 1, seq: 3, stored_at_ms: 5, bytes: 1, data }
}

test('a forged block with attributes of any shape is damaged, and never anything else', () => {
  const c = '"id":"1","type":"a","source":"s","time":"t"'
  assert.equal(new Block(forged(`{"c":{${c}},"v":[],"j":{}}`), 7).fault, undefined)
  const headers = [
    '',
    '{',
    'null',
    '[]',
    '{"c":null,"v":[],"j":{}}',
    '{"c":{},"v":[],"j":{}}',
    `{"c":{${c}},"v":{},"j":{}}`,
    `{"c":{${c}},"v":[]}`,
    `{"c":{${c}},"v":[["subject"]],"j":{}}`,
    `{"c":{${c}},"v":[["id",1]],"j":{}}`,
    `{"c":{${c}},"v":[["headers",1]],"j":{}}`,
    `{"c":{${c}},"v":[["subject",1e300]],"j":{}}`,
    `{"c":{${c}},"v":[["subject",-2]],"j":{}}`,
    `{"c":{${c}},"v":[["__proto__",1]],"j":{}}`,
    `{"c":{${c},"__proto__":{"x":1}},"v":[],"j":{}}`,
    `{"c":{${c},"body":"x"},"v":[],"j":{}}`,
    `{"c":{${c},"toString":"x"},"v":[],"j":{}}`,
    `{"c":{${c},"subject":1},"v":[],"j":{}}`,
    `{"c":{${c},"tags":[1]},"v":[],"j":{}}`,
    `{"c":{${c},"headers":{"a":1}},"v":[],"j":{}}`,
    `{"c":{${c},"headers":{"__proto__":"x"}},"v":[],"j":{}}`,
    `{"c":{${c}},"v":[],"j":{"tags":[]}}`,
    `{"c":{${c}},"v":[],"j":{"tags":5}}`,
    `{"c":{${c}},"v":[],"j":{"subject":[{}]}}`,
    `{"c":{"type":"a","source":"s","time":"t"},"v":[],"j":{"id":[null]}}`,
    `{"c":{${c}},"v":[],"j":{}}`.replace('"1"', '1'),
  ]
  for (const header of headers) assert.ok(isDamaged(new Block(forged(header), 7).fault), header)
  for (const lengths of [[[2]], [[0]], [[-2]], [[-3]], [[1], [1]], []]) assert.ok(isDamaged(new Block(forged(`{"c":{${c}},"v":[],"j":{}}`, lengths), 7).fault))
})

test('random damage is noticed', () => {
  const random = seededRandom(4)
  const whole = row(envelopes)
  for (let round = 0; round < 3000; round++) {
    const data = new Uint8Array(whole.data)
    const from = Math.floor(random() * data.length)
    const to = Math.min(data.length, from + 1 + Math.floor(random() * 64))
    let changed = false
    for (let i = from; i < to; i++) {
      const byte = Math.floor(random() * 256)
      if (byte !== data[i]) changed = true
      data[i] = byte
    }
    if (changed) assert.ok(isDamaged(new Block({ ...whole, data }, place.channelId).fault), `round ${round}`)
  }
})
