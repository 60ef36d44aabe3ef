import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import type { Envelope } from '@sluice/core/transport'
import { Commands } from '../resp/command.ts'
import { sourceOf } from '../resp/reply.ts'
import { type LogEntry, readEntries } from './entries.ts'
import { fieldWords, writeFields } from './fields.ts'
import { pack, unpack } from './pack.ts'
import { after, firstPosition, idBefore, msOf, positionAt, toPosition } from './position.ts'

const plain: Envelope = { id: 'i', type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: '{}' }
const full: Envelope = {
  ...plain,
  subject: 'größe',
  partitionkey: '🔑',
  schemaversion: 3,
  producerseq: 9_007_199_254_740_991,
  tags: ['a', 'b'],
  headers: { 'x-empty': '', constructor: 'c', data: 'not the data', size: '7' },
  body: new Uint8Array([0, 255, 13, 10]),
}

/** An answer of XRANGE with one entry a list of fields. */
function answer(entries: readonly ((commands: Commands) => void)[]): LogEntry[] {
  const commands = new Commands()
  commands.raw(`*${entries.length}\r\n`)
  entries.forEach((write, i) => {
    commands.raw('*2\r\n')
    commands.word(`1700000000000-${i}`)
    write(commands)
  })
  return readEntries(sourceOf(Buffer.concat(commands.parts().map((part) => Buffer.from(part)))))
}

const ours =
  (envelope: Envelope, sizeBytes = 99) =>
  (commands: Commands): void => {
    commands.raw(`*${fieldWords(envelope)}\r\n`)
    writeFields(commands, envelope, sizeBytes)
  }

const foreign =
  (...fields: readonly string[]) =>
  (commands: Commands): void => {
    commands.raw(`*${fields.length}\r\n`)
    for (const field of fields) commands.word(field)
  }

test('what is written is read, with the number of words that was announced', () => {
  for (const envelope of [plain, full, { ...plain, correlationid: 'c', schemaversion: 2 }, { ...plain, body: '' }]) {
    const [entry] = answer([ours(envelope)])
    assert.deepEqual({ ...entry?.envelope, headers: { ...entry?.envelope.headers } }, { headers: {}, ...envelope })
    assert.equal(entry?.sizeBytes, 99)
    assert.equal(entry.position, '1700000000000-0000000000')
    assert.deepEqual(unpack(pack(envelope, 7)).envelope, entry.envelope)
  }
})

test('messages that differ from the one before are not read by its layout', () => {
  const all = [
    plain,
    { ...plain, partitionkey: 'k', type: 'u' },
    { ...plain, type: 'uu' },
    { ...plain, source: 'other' },
    { ...plain, time: '2026-01-02T00:00:00.000Z' },
  ]
  assert.deepEqual(
    answer([...all, ...all.toReversed()].map((envelope) => ours(envelope))).map(({ envelope }) => envelope),
    [...all, ...all.toReversed()],
  )
})

test('what a plain client wrote: attributes as fields, or one event in structured JSON', () => {
  const [binary, structured] = answer([
    foreign('ce_id', '1', 'ce_type', 'shop.paid', 'ce_source', 'cli', 'data', '{"a":1}'),
    foreign('event', JSON.stringify({ specversion: '1.0', id: '2', type: 'shop.paid', source: 'cli', partitionkey: 'k', data: { a: 2 } })),
  ])
  assert.deepEqual({ ...binary?.envelope }, { id: '1', type: 'shop.paid', source: 'cli', time: '2023-11-14T22:13:20.000Z', body: '{"a":1}' })
  assert.deepEqual([structured?.envelope.id, structured?.envelope.partitionkey, structured?.envelope.body], ['2', 'k', '{"a":2}'])
  assert.ok((structured?.sizeBytes ?? 0) > 0)
})

test('what cannot be read comes as bytes with the reason, never as nothing', () => {
  const [missing, broken] = answer([foreign('hello', 'world', 'data', 'x'), foreign('event', '{')])
  assert.match(missing?.envelope.headers?.['undecodable-because'] ?? '', /missing/)
  assert.deepEqual([missing?.envelope.type, missing?.envelope.id], ['undecodable', '1700000000000-0000000000'])
  assert.equal(broken?.envelope.type, 'undecodable')
})

test('positions sort as the ids of entries do', () => {
  const ids = ['0-1', '1-0', '999-12', '1700000000000-9', '1700000000000-10', '1700000000001-0']
  const positions = ids.map(toPosition)
  assert.deepEqual(positions.toSorted(), positions)
  assert.equal(after('1700000000000-0000000009'), '1700000000000-0000000010')
  assert.equal(after('1700000000000-9999999999'), '1700000000001-0000000000')
  assert.equal(msOf(positionAt(1_700_000_000_000)), 1_700_000_000_000)
  assert.deepEqual(
    [idBefore(firstPosition), idBefore('0000000000001-0000000000'), idBefore('1700000000000-0000000003')],
    ['0-0', '0-18446744073709551615', '1700000000000-2'],
  )
})
