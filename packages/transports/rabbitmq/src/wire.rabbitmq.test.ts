import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Envelope } from '@sluice/core/transport'
import { membership, trial, until, watcher } from './trial.fixture.ts'

const plain: Envelope = { id: 'i', type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', partitionkey: 'k', body: '{}' }

/** Everything that a message can carry, and what is written in different ways. */
const envelopes: readonly Envelope[] = [
  plain,
  {
    ...plain,
    subject: 'about',
    datacontenttype: 'application/protobuf',
    datacontentencoding: 'gzip',
    dataschema: 'https://example.com/schema',
    sequence: '7',
    schemaversion: 3,
    correlationid: 'c',
    causationid: 'd',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
    expirytime: '2126-01-01T00:00:00.000Z',
    attempt: 2,
    tags: ['a', 'b'],
    producerid: 'p;1/2',
    producerepoch: 4,
    producerseq: 5,
    headers: { tenant: 'acme', 'ce-mine': 'kept', 'x.y_z-1': '' },
    body: new Uint8Array([0, 255, 206]),
  },
  { ...plain, id: '订单', source: 'gr\u00fc\u00dfe', partitionkey: '\u{1f600}', headers: { name: '汉字 ü' }, body: '"汉字 \u{1f600}"' },
  { ...plain, headers: { long: 'ü'.repeat(3_000) }, body: '"x"'.padEnd(400) },
  { ...plain, body: '' },
  { ...plain, body: new Uint8Array(0) },
  { ...plain, body: `"${'ü'.repeat(40_000)}"` },
  { ...plain, body: new Uint8Array(300_000).fill(206) },
  ...Array.from({ length: 500 }, (_, n) => ({ ...plain, body: `"${'x'.repeat(n)}"` })),
]

test('whatever a message carries comes as it went, small and large, text and bytes, in the order of the calls', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    const watching = watcher()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
    const consumer = await member.consume(membership, watching)
    await until('its partition', () => watching.owned.size === 1)
    const messages = envelopes.map((envelope, n) => ({ channel: 'c', envelope: { ...envelope, id: `${envelope.id} ${n}` }, sizeBytes: 1_000 + n }))
    assert.deepEqual((await member.send(messages)).failures, [])
    const came: { readonly envelope: Envelope; readonly sizeBytes: number }[] = []
    while (came.length < messages.length) {
      const deliveries = await consumer.receive(1_000, 100_000_000)
      for (const { envelope, sizeBytes } of deliveries) came.push({ envelope, sizeBytes })
      consumer.accept(deliveries)
    }
    assert.deepEqual(
      came,
      messages.map(({ envelope, sizeBytes }) => ({ envelope, sizeBytes })),
    )
  } finally {
    await place.dispose()
  }
})
