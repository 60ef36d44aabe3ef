import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { membership, trial, until, watcher } from '../trial.fixture.ts'

test('what arrives in the queue of an earlier number of partitions follows to the present one, and counts until then', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    const watching = watcher()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
    const consumer = await member.consume(membership, watching)
    await until('two partitions', () => watching.owned.size === 2)
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 4 }], groups: [] })
    await until('four partitions', () => watching.owned.has('3/4') && watching.owned.size === 4)
    // As the server does with what it routed before the change and stored after it.
    const late = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await late.createConfirmChannel()
    channel.publish('', 'sluice/c/g/1of2', Buffer.from('{}'), { messageId: 'late', type: 't', persistent: true })
    await channel.waitForConfirms()
    await late.close()
    const [delivery] = await consumer.receive(1, 1_000_000)
    assert.equal(delivery?.envelope.id, 'late')
    assert.match(delivery.partition, /of4|\/4/)
    consumer.accept([delivery])
    await consumer.flush()
    await until('no backlog', async () => (await member.admin.groups('c'))[0]?.backlog === 0)
  } finally {
    await place.dispose()
  }
})
