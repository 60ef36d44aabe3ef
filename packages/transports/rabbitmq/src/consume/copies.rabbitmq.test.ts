import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@sluice/core/transport'
import { membership, trial, watcher } from '../trial.fixture.ts'

test('the second copy of a message counts no delivery, though it was given back with the first: the core knows it for a repeat', async () => {
  const place = await trial()
  try {
    const first = await place.open()
    await first.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
    const held = await first.consume(membership, watcher())
    const envelope = { id: newId(), type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', body: '{}', producerid: 'p', producerepoch: 1, producerseq: 0 }
    // As after a confirm that never came.
    for (let n = 0; n < 2; n++) assert.deepEqual((await first.send([{ channel: 'c', envelope, sizeBytes: 200 }])).failures, [])
    let count = 0
    while (count < 2) count += (await held.receive(2, 1_000_000)).length
    await first.close()
    const second = await place.open()
    const consumer = await second.consume(membership, watcher())
    const deliveries: number[] = []
    while (deliveries.length < 2) for (const delivery of await consumer.receive(2, 1_000_000)) deliveries.push(delivery.deliveries)
    assert.deepEqual(deliveries, [1, 0])
  } finally {
    await place.dispose()
  }
})
