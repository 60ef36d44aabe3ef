import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, type OutgoingMessage } from '@sluice/core/transport'
import { membership, trial, until, watcher } from '../trial.fixture.ts'

const numbered = (count: number): OutgoingMessage[] =>
  Array.from({ length: count }, (_, i) => ({
    channel: 'c',
    envelope: { id: newId(), type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', partitionkey: `k${i}`, body: String(i) },
    sizeBytes: 200,
  }))

test('what a dead member held comes as suspect, also where its heir joined before anybody knew', async () => {
  const place = await trial()
  try {
    const [victim, heir] = [await place.open(), await place.open()]
    await victim.declare({ channels: [{ name: 'c', kind: 'events', partitions: 4 }], groups: [membership] })
    const held = watcher()
    const first = await victim.consume(membership, held)
    await until('all partitions', () => held.owned.size === 4)
    await victim.send(numbered(40))
    let count = 0
    while (count < 40) count += (await first.receive(40, 1_000_000)).length
    // It joins while the other one still answers, and that one dies before it hands anything over.
    const owned = watcher()
    held.revoking = () => new Promise(() => undefined)
    const second = await heir.consume(membership, owned)
    if ('crash' in victim && typeof victim.crash === 'function') victim.crash()
    const got = []
    while (got.length < 40) {
      const some = await second.receive(40, 1_000_000)
      got.push(...some)
      second.accept(some)
    }
    assert.deepEqual([got.filter(({ suspect }) => suspect).length, got.filter(({ deliveries }) => deliveries >= 1).length], [40, 40])
  } finally {
    await place.dispose()
  }
})
