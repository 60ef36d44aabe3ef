import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, systemClock } from '@sluice/core/transport'
import { membership, trial, watcher } from '../trial.fixture.ts'

/** Twenty minutes of it are over in 300 ms. */
const hasty: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs === 20 * 60_000 ? 300 : delayMs, callback),
}

test('what a member holds for long is handed back in good order before the server closes its channel, and taken again', async () => {
  const place = await trial()
  try {
    const member = await place.open({}, place.url, hasty)
    const told: string[] = []
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
    const watching = watcher()
    const consumer = await member.consume(membership, {
      ...watching,
      async revoking(partition) {
        told.push('revoking')
        await watching.revoking(partition)
      },
      lost: () => void told.push('lost'),
    })
    const send = async (id: string): Promise<void> => {
      const envelope = { id, type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', partitionkey: 'k', body: '{}' }
      assert.deepEqual((await member.send([{ channel: 'c', envelope, sizeBytes: 200 }])).failures, [])
    }
    for (const id of ['a', 'b']) await send(id)
    const [first] = await consumer.receive(1, 1_000_000)
    assert.equal(first?.envelope.id, 'a')
    // Not settled: both come again, in order.
    const again: unknown[] = []
    while (again.length < 2) for (const { envelope, deliveries } of await consumer.receive(2, 1_000_000)) if (deliveries > 0) again.push(envelope.id)
    assert.deepEqual(again.slice(0, 2), ['a', 'b'])
    assert.equal(told[0], 'revoking')
    assert.ok(!told.includes('lost'))
  } finally {
    await place.dispose()
  }
})
