/** What somebody does to the topics behind Sluice's back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message, numbered } from '@sluice/conformance'
import { kafkaPlace, kafkaRig, withAdmin } from './kafka-rig.ts'

const deleteTopic = (topic: string): Promise<void> => withAdmin((admin) => admin.deleteTopics({ topics: [topic] }))

test('what somebody deletes from a topic while a member reads it is reported, and the rest comes', { timeout: 60_000 }, async () => {
  const place = kafkaPlace()
  const { prefix } = place
  const rig = kafkaRig(place)
  try {
    await rig.open()
    const sender = await rig.channel({ groups: ['g'], partitions: 1 })
    // The member has joined and waits for what is there: nothing, until the log begins later than that.
    const probe = await rig.join(await rig.open())
    await sender.send(numbered(3, ['a']))
    await probe.drain(3)
    await sender.admin.setPaused('c', 'g', true)
    await probe.until(() => probe.isPaused, 'the pause')
    const bytes = 'x'.repeat(900_000)
    for (let n = 0; n < 12; n++) await sender.send([message({ key: 'a', body: `${n}${bytes}` })])
    // More than is read ahead: the rest is deleted before it was read.
    await withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(`${prefix}c`)
      await admin.deleteTopicRecords({ topic: `${prefix}c`, partitions: [{ partition: 0, offset: '13' }] })
    })
    await sender.send([message({ key: 'a', body: 'last' })])
    await sender.admin.setPaused('c', 'g', false)
    const came: string[] = []
    while (came.at(-1) !== 'last') came.push(...(await probe.drain(1)).map(({ envelope }) => String(envelope.body).slice(0, 4)))
    assert.ok(came.length < 13, `${came.length} came`)
    assert.ok(
      rig.reports.some(({ level, message: text }) => level === 'warn' && text.includes('deleted by its retention')),
      JSON.stringify(rig.reports),
    )
  } finally {
    await rig.close()
  }
})

test('a topic that somebody deletes is made again and consumed, and a person hears of it', { timeout: 90_000 }, async () => {
  const place = kafkaPlace()
  const { prefix } = place
  const rig = kafkaRig(place)
  try {
    await rig.open()
    const sender = await rig.channel({ groups: ['g'], partitions: 3 })
    await sender.send(numbered(30, ['a', 'b', 'c', undefined]))
    const probe = await rig.join(await rig.open())
    await probe.drain(30)
    await deleteTopic(`${prefix}c`)
    const deletedMs = performance.now()
    const { failures } = await sender.send([message({ key: 'a', body: 'after' }), message({ key: 'b', body: 'after' })])
    assert.deepEqual(failures, [])
    const again = await probe.drain(2)
    assert.deepEqual(
      again.map(({ envelope }) => String(envelope.body)),
      ['after', 'after'],
    )
    const tookMs = performance.now() - deletedMs
    assert.ok(tookMs < 30_000, `it took ${Math.round(tookMs)} ms`)
    assert.ok(
      rig.reports.some(({ level, message: text }) => level === 'error' && text.includes(`${prefix}c`) && text.includes('deleted')),
      JSON.stringify(rig.reports),
    )
    assert.equal((await sender.admin.groups('c'))[0]?.backlog, 0)
    // Who starts when it is gone already finds the channel as it was declared.
    await rig.close(sender)
    await probe.consumer.close()
    await deleteTopic(`${prefix}c`)
    const late = await rig.open()
    await late.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
    assert.deepEqual((await late.send([message({ key: 'a', body: 'late' })])).failures, [])
    assert.equal((await (await rig.join(late)).drain(1)).length, 1)
  } finally {
    await rig.close()
  }
})
