/** A transaction in a lot that nobody ends, as a broker that was killed can leave one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { Kafka, logLevel } from 'kafkajs'
import { kafkaPlace, kafkaRig } from './kafka-rig.ts'

test('a lot behind a transaction that nobody ends is read again within 30 s, and a person hears of it', { timeout: 120_000 }, async () => {
  const place = kafkaPlace()
  const rig = kafkaRig(place)
  const kafka = new Kafka({ brokers: [new URL(place.url).host], logLevel: logLevel.NOTHING })
  const stranger = kafka.producer({ transactionalId: `stranger-${newId()}`, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 110_000 })
  try {
    await rig.open()
    const open = await rig.channel({ groups: ['g'], partitions: 1 })
    const probe = await rig.join(open)
    const giveUp = async (): Promise<void> => {
      await open.send([message({ key: 'a' })])
      const [delivery] = await probe.take(1)
      assert.ok(delivery)
      await probe.deadLetter(delivery, 'continue')
    }
    await giveUp()
    await stranger.connect()
    const never = await stranger.transaction()
    await never.send({ topic: `${place.prefix}c.g.sluice-lot`, messages: [{ partition: 0, value: 'never ended' }] })
    const startMs = performance.now()
    await giveUp()
    const tookMs = performance.now() - startMs
    assert.ok(tookMs > 15_000 && tookMs < 30_000, `${Math.round(tookMs)} ms`)
    assert.equal((await open.admin.groups('c'))[0]?.deadLetters, 2)
    assert.ok(
      rig.reports.some(({ level, message: text }) => level === 'warn' && text.includes('that no broker would end')),
      JSON.stringify(rig.reports),
    )
  } finally {
    await stranger.disconnect().catch(() => undefined)
    await rig.close()
  }
})
