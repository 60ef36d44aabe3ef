/** A cluster in which fewer replicas are in sync than `min.insync.replicas` asks for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbered } from '@sluice/conformance'
import { Kafka, logLevel } from 'kafkajs'
import { eventually } from '../src/probe/probe.ts'
import { kafkaRig } from './kafka-rig.ts'
import { ownServer } from './own-server.ts'

test('too few replicas in sync: nothing is confirmed that could be lost, each failure says why, and it goes on when they are back', {
  timeout: 230_000,
}, async () => {
  const server = await ownServer('kafka-cluster')
  const rig = kafkaRig({ url: `${server.url}?prefix=insync.`, kafka: { sendTimeoutMs: 3_000 } })
  try {
    const open = await rig.channel({ groups: ['g'], partitions: 3 })
    const probe = await rig.join(open)
    assert.deepEqual((await open.send(numbered(30, ['a', 'b', 'c', 'd']))).failures, [])
    await probe.drain(30)
    const admin = new Kafka({ brokers: new URL(server.url.replace(/,.*/, '')).host.split(','), logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const configEntries = [{ name: 'min.insync.replicas', value: '3' }]
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: 'insync.c', configEntries }] }).finally(() => admin.disconnect())
    await server.kill(3)
    let next = 30
    const confirmed = new Set<number>()
    const sendSome = async () => {
      const first = next
      next += 12
      const { failures } = await open.send(numbered(12, ['a', 'b', 'c', 'd'], first))
      const failed = new Set(failures.map(({ index }) => index))
      for (let n = 0; n < 12; n++) if (!failed.has(n)) confirmed.add(first + n)
      return failures
    }
    // Until the brokers have noticed the death they wait for it, and the fate of what is sent is not known.
    const refused = await eventually(
      sendSome,
      (failures) => failures.some(({ state, error }) => state === 'failed' && error.code === 'TRANSPORT_FAILED'),
      'a refusal',
      90_000,
    )
    const said = refused.find(({ error }) => error.code === 'TRANSPORT_FAILED')
    assert.match(`${said?.error.message} ${said?.error.fix}`, /NOT_ENOUGH_REPLICAS.*min\.insync\.replicas/)
    assert.ok(
      refused.every(({ retryable }) => retryable),
      'the core sends it again',
    )
    // What is sent while they come back waits, and is confirmed.
    const back = server.up()
    await eventually(sendSome, (failures) => failures.length === 0, 'confirms', 60_000)
    await back
    const came = new Set<number>()
    while (confirmed.size > 0) {
      for (const { envelope } of await probe.drain(1)) {
        const number = Number(envelope.body)
        came.add(number)
        confirmed.delete(number)
      }
    }
    assert.ok(came.size > 12)
  } finally {
    await rig.close()
    await server.down()
  }
})
