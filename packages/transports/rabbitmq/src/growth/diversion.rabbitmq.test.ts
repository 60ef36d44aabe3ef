import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { envelopeOf, manage, membership, trial, until, watcher } from '../trial.fixture.ts'

test('while partitions are added no message is routed to an old queue and to a new one', async () => {
  const place = await trial()
  try {
    // The server copies each message that is published to an exchange of its own, and says which queues it was routed to.
    await manage('PUT', `vhosts/${place.vhost}`, { tracing: true })
    const tracer = await connect(place.url.replace('?heartbeat=2', ''))
    const tracing = await tracer.createChannel()
    const { queue } = await tracing.assertQueue('', { exclusive: true })
    await tracing.bindQueue(queue, 'amq.rabbitmq.trace', 'publish.sluice/c')
    const routes: unknown[] = []
    await tracing.consume(queue, (message) => void routes.push(message?.properties.headers?.routed_queues), { noAck: true })

    const member = await place.open()
    const watching = watcher()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
    await member.consume(membership, watching)
    await until('two partitions', () => watching.owned.size === 2)
    let isOver = false
    let sent = 0
    const sending = (async () => {
      while (!isOver) {
        const batch = Array.from({ length: 20 }, () => ({ channel: 'c', envelope: envelopeOf(`m${sent++}`), sizeBytes: 200 }))
        assert.deepEqual((await member.send(batch)).failures, [])
      }
    })()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 4 }], groups: [] })
    await until('four partitions', () => watching.owned.has('3/4') && watching.owned.size === 4)
    isOver = true
    await sending
    await until('all routes', () => routes.length === sent)
    await tracer.close()
    const seen = new Set(routes.map(String))
    assert.ok([...seen].some((names) => names.endsWith('of2')) && [...seen].some((names) => names.endsWith('of4')), 'before and after')
    assert.deepEqual(
      [...seen].filter((names) => !/^sluice\/c\/g\/\dof[24]$/.test(names)),
      [],
    )
  } finally {
    await place.dispose()
  }
})
