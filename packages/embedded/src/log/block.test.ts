import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Envelope, isSluiceError } from '@sluice/core/transport'
import { Block, type BlockRow, encodeBlock } from './block.ts'

const time = '2026-01-01T00:00:00.000Z'
const envelopes: readonly Envelope[] = [
  { id: '1', type: 'a', source: 's', time, body: '{"x":1}' },
  { id: '2', type: 'a', source: 's', time, partitionkey: 'k', headers: { tenant: 't' }, tags: ['x', 'y'], body: '' },
  { id: '3', type: 'b', source: 's', time, datacontenttype: 'application/octet-stream', body: new Uint8Array([0, 255, 1]) },
  { id: '4', type: 'b', source: 's', time, schemaversion: 2, body: new Uint8Array() },
  { id: 'ü\u{1F600}', type: 'b', source: 's', time: '2026-01-02T00:00:00.000Z', subject: '', body: 'NUL \0 and \u{1F600} and é' },
]

function stored(entries: readonly Envelope[], change: Partial<BlockRow> = {}): Block {
  return new Block({
    first: 10,
    seq: 3,
    stored_at_ms: 5,
    ...encodeBlock(entries.map((envelope, i) => ({ envelope, hash: i * 0x20000001, sizeBytes: 100 }))),
    ...change,
  })
}

test('a block gives back each message as it was', () => {
  for (const some of [envelopes, envelopes.slice(0, 1), envelopes.slice(2, 3), [...envelopes].reverse()]) {
    const block = stored(some)
    some.forEach((envelope, i) => {
      assert.deepEqual(block.envelopeAt(i), envelope)
      assert.equal(block.hashAt(i), i * 0x20000001)
    })
    assert.equal(block.end, 10 + some.length)
  }
})

test('a damaged block is said to be damaged', () => {
  const damaged = (error: unknown): boolean => isSluiceError(error, 'STORE_CORRUPT')
  assert.throws(() => stored(envelopes, { hashes: new Uint8Array(3) }), damaged)
  assert.throws(() => stored(envelopes, { attributes: '{' }).envelopeAt(0), damaged)
  assert.throws(() => stored(envelopes, { bodies: 'short' }).envelopeAt(0), damaged)
  assert.throws(() => stored(envelopes, { binaries: null }).envelopeAt(0), damaged)
})
