import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, type Transport } from '@sluice/core/transport'
import { connect } from 'amqplib'
import { envelopeOf, manage, membership, trial, until, watcher } from '../trial.fixture.ts'

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

async function send(transport: Transport, from: number, count: number): Promise<void> {
  const batch = Array.from({ length: count }, (_, n) => ({
    channel: 'c',
    envelope: envelopeOf(`m${from + n}`, keys[n % keys.length]),
    sizeBytes: 200,
  }))
  assert.deepEqual((await transport.send(batch)).failures, [])
}

test('queues that somebody unbinds are bound again, what came meanwhile is delivered, and a person hears of it', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    const watching = watcher()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
    // What came before the first group, which wants none of it, is nobody's.
    await send(member, 0, 3)
    const consumer = await member.consume({ ...membership, from: 'end' }, watching)
    await until('both partitions', () => watching.owned.size === 2)
    const person = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await person.createChannel()
    for (const low of keys.keys()) await channel.unbindQueue(`sluice/c/g/${low % 2}of2`, 'sluice/c', `*.${low}.*.*`)
    await send(member, 3, 80)
    const came: string[] = []
    while (came.length < 80) {
      const deliveries = await consumer.receive(100, 1_000_000)
      for (const { envelope } of deliveries) came.push(envelope.id)
      consumer.accept(deliveries)
    }
    for (const key of keys.keys()) {
      const ofKey = came.map((id) => Number(id.slice(1)) - 3).filter((n) => n % keys.length === key)
      assert.deepEqual(
        ofKey,
        Array.from({ length: 10 }, (_, n) => n * keys.length + key),
      )
    }
    const isTold = (): boolean =>
      place.reports.some(({ level, message }) => level === 'error' && message.startsWith('80 messages of channel "c" found no queue'))
    await until('a report', isTold)
    // The direct way is there again, and what was nobody's stays where it was.
    await send(member, 83, 8)
    const deliveries = await consumer.receive(100, 1_000_000)
    assert.ok(deliveries.length > 0)
    consumer.accept(deliveries)
    assert.equal((await member.admin.channels())[0]?.unrouted, 3)
    await person.close()
  } finally {
    await place.dispose()
  }
})

test('a group that an earlier version bound is bound anew by whoever meets its channel, and not by the keys of before', async () => {
  const place = await trial()
  try {
    const first = await place.open()
    await first.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [{ ...membership }] })
    const earlier = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await earlier.createConfirmChannel()
    for (const low of keys.keys()) {
      await channel.unbindQueue(`sluice/c/g/${low % 2}of2`, 'sluice/c', `*.${low}.*.*`)
      await channel.bindQueue(`sluice/c/g/${low % 2}of2`, 'sluice/c', `#.${low}`)
    }
    const record = { op: 'bindings', channel: 'c', group: 'g', version: 0 }
    channel.publish('', 'sluice/registry', Buffer.from(JSON.stringify(record)), { messageId: newId(), persistent: true })
    await channel.waitForConfirms()
    await earlier.close()
    const sender = await place.open()
    await sender.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
    await send(sender, 0, 80)
    assert.equal((await sender.admin.channels())[0]?.unrouted, 0)
    assert.equal((await sender.admin.groups('c'))[0]?.backlog, 80)
    const bindings = (await manage('GET', `exchanges/${place.vhost}/sluice%2Fc/bindings/source`)) as { readonly routing_key: string }[]
    assert.deepEqual(
      bindings.map(({ routing_key }) => routing_key).toSorted(),
      Array.from({ length: 8 }, (_, low) => `*.${low}.*.*`),
    )
  } finally {
    await place.dispose()
  }
})
