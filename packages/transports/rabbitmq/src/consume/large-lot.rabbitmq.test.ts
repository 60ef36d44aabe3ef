import assert from 'node:assert/strict'
import { test } from 'node:test'
import { membership, reason, trial, until, watcher } from '../trial.fixture.ts'

const envelope = (id: string) => ({ id, type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', partitionkey: 'k', body: '{}' })

/** More than a quorum queue delivers to a consumer without a limit of its own. */
const count = 2_100

test('a lane of more than 2,000 messages in the lot comes to the next owner whole, in order; as many dead letters are listed', {
  timeout: 60_000,
}, async () => {
  const place = await trial()
  try {
    const member = await place.open()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
    const wide = { ...membership, windowCount: count }
    const consumer = await member.consume(wide, watcher())
    const ids = Array.from({ length: count }, (_, n) => `m${n}`)
    const { failures } = await member.send(ids.map((id) => ({ channel: 'c', envelope: envelope(id), sizeBytes: 200 })))
    assert.deepEqual(failures, [])
    const state = { state: 'suspended', dueAtMs: Date.now() } as const
    for (let moved = 0; moved < count; ) {
      const deliveries = await consumer.receive(500, 10_000_000)
      await consumer.lot?.move('key:k', deliveries, state)
      moved += deliveries.length
    }
    await member.close()
    const heir = await place.open()
    const watching = watcher()
    const next = await heir.consume(wide, watching)
    await until('the partition', () => watching.owned.size === 1)
    const [partition = ''] = watching.owned
    const came: string[] = []
    while (came.length < count) {
      const some = (await next.lot?.read(partition, 'key:k', 500)) ?? []
      assert.ok(some.length > 0, `${came.length} of ${count}`)
      came.push(...some.map((delivery) => delivery.envelope.id))
      await next.deadLetter(some.map((delivery) => ({ delivery, lane: 'key:k', reason, mode: 'continue' as const })))
    }
    assert.deepEqual(came, ids)
    assert.equal((await heir.admin.deadLetters('c', 'g', {})).length, count)
  } finally {
    await place.dispose()
  }
})
