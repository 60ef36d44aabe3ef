import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepMessage } from '@sluice/core/transport'
import { connect } from 'amqplib'
import { membership, trial, watcher } from '../trial.fixture.ts'

test('what a schedule fired is sent by another when its sender died over it, once', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    await member.declare({ channels: [{ name: 'c', kind: 'commands', partitions: 1 }], groups: [] })
    const consumer = await member.consume({ ...membership, kind: 'commands', group: 'c' }, watcher())
    const message = {
      channel: 'c',
      envelope: { id: 'tick', type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: new Uint8Array([7]) },
      sizeBytes: 200,
    }
    await member.admin.putSchedule({ name: 's', message, cron: '* * * * *', timeZone: 'UTC', nextAtMs: 1_000 })
    // As somebody writes it who dies before the message is out.
    const dead = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await dead.createConfirmChannel()
    const record = { op: 'fire', name: 's', expectedAtMs: 1_000, nextAtMs: 2_000, firing: { id: 'f', instance: 'nobody', message: keepMessage(message) } }
    channel.publish('', 'sluice/registry', Buffer.from(JSON.stringify(record)), { messageId: 'r', persistent: true })
    await channel.waitForConfirms()
    await dead.close()
    const [delivery] = await consumer.receive(1, 1_000_000)
    assert.equal(delivery?.envelope.id, 'tick')
    assert.deepEqual(delivery.envelope.body, new Uint8Array([7]))
    consumer.accept([delivery])
    assert.equal((await member.admin.schedules())[0]?.nextAtMs, 2_000)
    assert.equal(await member.admin.fireSchedule('s', 1_000, message, 3_000), false)
    // Two looks later nothing more has come.
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    assert.equal((await member.admin.groups('c'))[0]?.backlog, 0)
  } finally {
    await place.dispose()
  }
})
