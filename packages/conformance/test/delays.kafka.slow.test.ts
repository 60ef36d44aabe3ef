/** Delayed messages while those who hold them are killed and frozen, and when somebody deletes their topic. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { message } from '@sluice/conformance'
import { newId, seededRandom } from '@sluice/core/transport'
import { eventually } from '../src/probe/probe.ts'
import { kafkaPlace, kafkaRig, withAdmin } from './kafka-rig.ts'

const { SEED: seed = String(Date.now() % 1_000_000) } = process.env
const channels = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5']

async function standBy(url: string): Promise<ChildProcess> {
  const child = fork(new URL('./standby.fixture.ts', import.meta.url), [url], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('whoever moves them on is killed or frozen: each is stored once, none early, keys in the order of due times', { timeout: 300_000 }, async (context) => {
  context.diagnostic(`seed ${seed}`)
  const random = seededRandom(Number(seed))
  const place = kafkaPlace()
  const rig = kafkaRig(place)
  const children: ChildProcess[] = []
  try {
    const sender = await rig.open()
    await sender.declare({ channels: [...channels, 'standby'].map((name) => ({ name, kind: 'events', partitions: 4 })), groups: [] })
    for (let n = 0; n < 3; n++) children.push(await standBy(place.url))
    const due = new Map<string, number>()
    let faults = 0
    const chaos = (async () => {
      for (const untilMs = Date.now() + 25_000; Date.now() < untilMs; faults++) {
        const at = Math.floor(random() * children.length)
        const child = children[at] as ChildProcess
        if (random() < 0.5) {
          await kill(child)
          children[at] = await standBy(place.url)
        } else {
          child.kill('SIGSTOP')
          await sleep(1_000 + random() * 4_000)
          child.kill('SIGCONT')
        }
        await sleep(random() * 1_500)
      }
    })()
    for (let round = 0; round < 200; round++) {
      const nowMs = Date.now()
      const batch = Array.from({ length: 30 }, () => {
        const id = newId()
        const notBeforeMs = nowMs + 2_000 + Math.floor(random() * 6_000)
        due.set(id, notBeforeMs)
        const channel = channels[Math.floor(random() * channels.length)] as string
        return message({ id, channel, notBeforeMs, body: String(notBeforeMs), ...(random() < 0.8 ? { key: `k${Math.floor(random() * 20)}` } : {}) })
      })
      assert.deepEqual((await sender.send(batch)).failures, [])
      await sleep(80)
    }
    await chaos
    await eventually(
      () => sender.admin.channels(),
      (rows) => rows.reduce((sum, { stored: count }) => sum + count, 0) >= due.size && rows.every(({ scheduled }) => scheduled === 0),
      'all to be stored',
      60_000,
    )
    const rows = await sender.admin.channels()
    for (const channel of channels) {
      const probe = await rig.join(sender, { channel })
      const came = await probe.drain(rows.find((row) => row.channel === channel)?.stored ?? 0)
      for (const { envelope, storedAtMs } of came) {
        const dueMs = due.get(envelope.id) ?? Number.POSITIVE_INFINITY
        assert.ok(storedAtMs >= dueMs, `${envelope.id} came twice, or ${dueMs - storedAtMs} ms early`)
        due.delete(envelope.id)
      }
      for (const [key, mine] of Map.groupBy(came, ({ envelope }) => envelope.partitionkey))
        if (key !== undefined)
          mine.forEach(({ envelope: { body } }, n) => {
            const before = Number(mine[n - 1]?.envelope.body ?? 0)
            assert.ok(before <= Number(body), `key ${key}: ${before} before ${body}`)
          })
    }
    assert.equal(due.size, 0, 'some were lost')
    context.diagnostic(`${faults} faults`)
  } finally {
    for (const child of children) child.kill('SIGCONT')
    await Promise.all(children.map(kill))
    await rig.close()
  }
})

test('the topic of delayed messages is deleted: made again, and what waited still comes', { timeout: 120_000 }, async () => {
  const place = kafkaPlace()
  const rig = kafkaRig(place)
  try {
    const sender = await rig.channel({ partitions: 2 })
    const probe = await rig.join(sender)
    await sender.send([message({ body: 'first', notBeforeMs: Date.now() + 100 })])
    await probe.drain(1)
    const notBeforeMs = Date.now() + 5_000
    await sender.send([message({ key: 'a', body: 'waits', notBeforeMs })])
    await withAdmin((admin) => admin.deleteTopics({ topics: [`${place.prefix}sluice.later`] }))
    const { failures } = await sender.send([message({ key: 'b', body: 'after', notBeforeMs: Date.now() + 200 })])
    assert.deepEqual(failures, [])
    const came = await probe.drain(2)
    assert.deepEqual(came.map(({ envelope }) => String(envelope.body)).toSorted(), ['after', 'waits'])
    assert.ok(Date.now() >= notBeforeMs)
    assert.ok(
      rig.reports.some(({ level, message: text }) => level === 'error' && text.includes('sluice.later')),
      JSON.stringify(rig.reports),
    )
  } finally {
    await rig.close()
  }
})
