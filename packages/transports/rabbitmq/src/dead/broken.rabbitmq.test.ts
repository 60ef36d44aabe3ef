import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { manage, membership, reason, trial, until, watcher } from '../trial.fixture.ts'

test('who waits for the dead letters of a group, which another holds, hears that the connection broke', async () => {
  const place = await trial()
  try {
    const member = await place.open()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
    const consumer = await member.consume(membership, watcher())
    const envelope = { id: 'm', type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', body: '{}' }
    await member.send([{ channel: 'c', envelope, sizeBytes: 200 }])
    const [delivery] = await consumer.receive(1, 1_000_000)
    assert.ok(delivery)
    await consumer.deadLetter([{ delivery, lane: 'id:m', reason, mode: 'continue' }])
    const other = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await other.createChannel()
    await channel.consume('sluice/c/g/dead', () => undefined)
    const waiting = member.admin.deadLetters('c', 'g', {})
    waiting.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 200))
    // The figures of the management plugin come late.
    const names = async (): Promise<string[]> =>
      ((await manage('GET', `vhosts/${place.vhost}/connections`)) as { name: string; user_provided_name?: string }[])
        .filter(({ user_provided_name: name = '' }) => name.includes('consuming'))
        .map(({ name }) => name)
    await until('the connection to be listed', async () => (await names()).length > 0)
    for (const name of await names()) await manage('DELETE', `connections/${encodeURIComponent(name)}`)
    await assert.rejects(waiting, { code: 'TRANSPORT_FAILED' })
    await other.close()
    await until('the letter again', async () => (await member.admin.deadLetters('c', 'g', {}).catch(() => [])).length === 1)
  } finally {
    await place.dispose()
  }
})
