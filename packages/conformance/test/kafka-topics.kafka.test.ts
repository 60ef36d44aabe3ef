/** What somebody does to the topics behind Sluice's back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message, numbered } from '@sluice/conformance'
import { eventually } from '../src/probe/probe.ts'
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

test('the registry that somebody deletes is made again with what members know, and a person hears of it', { timeout: 90_000 }, async () => {
  const place = kafkaPlace()
  const rig = kafkaRig(place)
  try {
    await rig.open()
    const sender = await rig.channel({ groups: ['g', 'idle'], partitions: 3 })
    const probe = await rig.join(await rig.open())
    await sender.admin.setPaused('c', 'idle', true)
    await deleteTopic(`${place.prefix}sluice.registry`)
    await eventually(
      async () => rig.reports,
      (reports) => reports.some(({ level, message: text }) => level === 'error' && text.includes('sluice.registry')),
      'a report',
      30_000,
    )
    assert.deepEqual((await sender.send(numbered(6, ['a', 'b']))).failures, [])
    await probe.drain(6)
    // Who comes then knows all of it, and everybody hears what is decided from now on.
    const late = await eventually(
      async () => {
        const open = await rig.open()
        const rows = await open.admin.groups('c')
        return { open, rows }
      },
      ({ rows }) => rows.length === 2,
      'both groups to be known',
      30_000,
    )
    assert.deepEqual(late.rows.map(({ group, paused }) => [group, paused]).sort(), [
      ['g', false],
      ['idle', true],
    ])
    await late.open.admin.setPaused('c', 'g', true)
    await probe.until(() => probe.isPaused, 'the pause')
  } finally {
    await rig.close()
  }
})

test('a topic on which messages would be lost is refused; of one that is kept too short, or has too few partitions, a person hears', {
  timeout: 60_000,
}, async () => {
  const place = kafkaPlace()
  const rig = kafkaRig(place)
  const topic = (name: string, ...configEntries: readonly { readonly name: string; readonly value: string }[]) => {
    return { topic: `${place.prefix}${name}`, numPartitions: 2, configEntries: [...configEntries] }
  }
  const topics = [topic('compacted', { name: 'cleanup.policy', value: 'compact' }), topic('short', { name: 'retention.ms', value: '3600000' }), topic('grown')]
  await withAdmin((admin) => admin.createTopics({ topics, waitForLeaders: true }))
  try {
    const open = await rig.open()
    const declare = (name: string, partitions?: number): Promise<void> =>
      open.declare({ channels: [{ name, kind: 'events', ...(partitions === undefined ? {} : { partitions }) }], groups: [] })
    await assert.rejects(declare('compacted'), { code: 'TOPOLOGY_CONFLICT', message: /compacted/ })
    await declare('short', 3)
    assert.ok(rig.reports.some(({ level, message: text }) => level === 'warn' && text.includes('1 hours')))
    assert.ok(rig.reports.some(({ error }) => error?.code === 'TOPOLOGY_CONFLICT'))
    await declare('grown')
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: `${place.prefix}grown`, count: 4 }] }))
    const late = await rig.open()
    await late.declare({ channels: [{ name: 'grown', kind: 'events' }], groups: [] })
    assert.ok(rig.reports.some(({ level, message: text }) => level === 'error' && text.includes('has 4 partitions, and the bus knows 2')))
    await deleteTopic(`${place.prefix}grown`)
    await eventually(
      () => withAdmin((admin) => admin.listTopics()),
      (names) => !names.includes(`${place.prefix}grown`),
      'the topic to go',
    )
    await withAdmin((admin) => admin.createTopics({ topics: [{ topic: `${place.prefix}grown`, numPartitions: 1 }], waitForLeaders: true }))
    const last = await rig.open()
    await assert.rejects(last.declare({ channels: [{ name: 'grown', kind: 'events' }], groups: [] }), { code: 'TOPOLOGY_CONFLICT', message: /bus knows 2/ })
  } finally {
    await rig.close()
  }
})

test('replies to instances that share a partition of the topic of replies all come', { timeout: 60_000 }, async () => {
  const rig = kafkaRig()
  try {
    const open = await rig.open()
    // More than there are partitions, so that some share one.
    const names = Array.from({ length: 9 }, (_, n) => `reply.${n}`)
    await open.declare({ channels: names.map((name) => ({ name, kind: 'reply' })), groups: [] })
    const probes = await Promise.all(names.map((channel) => rig.join(open, { channel, group: channel, kind: 'reply', ephemeral: true, from: 'end' })))
    for (const channel of names) assert.deepEqual((await open.send([message({ channel, body: channel })])).failures, [])
    for (const [n, probe] of probes.entries()) assert.equal((await probe.drain(1))[0]?.envelope.body, names[n])
  } finally {
    await rig.close()
  }
})
