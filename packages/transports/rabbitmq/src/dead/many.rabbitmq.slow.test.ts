import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { envelopeOf, membership, reason, trial, watcher } from '../trial.fixture.ts'
import { toWire } from '../wire.ts'

const count = 66_000

test('more dead letters than one consumer may hold: the oldest are listed, and all of them are discarded', { timeout: 240_000 }, async (t) => {
  const place = await trial()
  try {
    const member = await place.open()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [{ ...membership }] })
    const consumer = await member.consume(membership, watcher())
    const envelope = envelopeOf('m')
    await member.send([{ channel: 'c', envelope, sizeBytes: 200 }])
    const [delivery] = await consumer.receive(1, 1_000_000)
    assert.ok(delivery)
    await consumer.deadLetter([{ delivery, lane: 'id:m', reason, mode: 'continue' }])
    // The others are a plain client's, to be quick.
    const plain = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await plain.createConfirmChannel()
    const head = { lane: 'id:m', reason, redrives: 0 }
    const ids = Array.from({ length: count - 1 }, (_, n) => `z${String(n).padStart(6, '0')}`)
    for (const [n, id] of ids.entries()) {
      const { content, properties } = toWire(envelope, 200, 1, { 'sluice-letter': JSON.stringify({ ...head, id, order: id }) })
      channel.publish('', 'sluice/c/g/dead', Buffer.from(content), properties)
      if (n % 2_000 === 0) await channel.waitForConfirms()
    }
    await channel.waitForConfirms()
    await plain.close()
    const startedAt = performance.now()
    assert.equal((await member.admin.deadLetters('c', 'g', {})).length, 65_535)
    t.diagnostic(`listed in ${Math.round(performance.now() - startedAt)} ms`)
    assert.equal(await member.admin.discard('c', 'g', {}), count)
    assert.deepEqual(await member.admin.deadLetters('c', 'g', {}), [])
  } finally {
    await place.dispose()
  }
})
