import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { markerType } from '../link/held-queue.ts'
import { envelopeOf, membership, trial, until, watcher } from '../trial.fixture.ts'

test('what only asks the queue of delayed messages whether it lives is no message', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
    const consumer = await member.consume(membership, watcher())
    // As another process does that declares the channel at the same time (live-queues.ts).
    const beside = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await beside.createConfirmChannel()
    channel.publish('', 'sluice/c/delayed', Buffer.alloc(0), { type: markerType, persistent: true })
    await channel.waitForConfirms()
    await beside.close()
    const envelope = envelopeOf('m')
    assert.deepEqual((await member.send([{ channel: 'c', envelope, sizeBytes: 200, notBeforeMs: Date.now() + 500 }])).failures, [])
    const [delivery] = await consumer.receive(10, 1_000_000)
    assert.equal(delivery?.envelope.id, 'm')
    consumer.accept([delivery])
    await until('nothing more', async () => (await member.admin.groups('c'))[0]?.backlog === 0)
  } finally {
    await place.dispose()
  }
})
