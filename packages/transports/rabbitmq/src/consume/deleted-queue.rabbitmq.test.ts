import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { membership, trial, until, watcher } from '../trial.fixture.ts'

test('a queue that somebody deletes is made again and consumed, and a person hears of it', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    const watching = watcher()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
    const consumer = await member.consume(membership, watching)
    await until('both partitions', () => watching.owned.size === 2)
    const person = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await person.createChannel()
    for (const partition of ['0of2', '1of2']) await channel.deleteQueue(`sluice/c/g/${partition}`)
    await until('their loss', () => watching.lostCount === 2)
    await until('both again', () => watching.owned.size === 2)
    await person.close()
    assert.ok(place.reports.some(({ level, message }) => level === 'error' && message.includes('was deleted')))
    const send = async (id: string): Promise<void> => {
      const envelope = { id, type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', body: '{}' }
      assert.deepEqual((await member.send([{ channel: 'c', envelope, sizeBytes: 200 }])).failures, [])
    }
    const ids = Array.from({ length: 10 }, (_, n) => `m${n}`)
    for (const id of ids) await send(id)
    const came: string[] = []
    while (came.length < 10) for (const { envelope } of await consumer.receive(10, 1_000_000)) came.push(envelope.id)
    assert.deepEqual(came.toSorted(), ids)
  } finally {
    await place.dispose()
  }
})
