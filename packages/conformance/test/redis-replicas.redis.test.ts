/** Option `redis.replicas`: a confirm waits for replicas; and a replica is refused where a primary is needed. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { message, numbered, Rig } from '@sluice/conformance'
import type { SendReport } from '@sluice/core/transport'
import { transport } from '@sluice/redis'
import { createClient } from 'redis'
import { ownServer } from './own-server.ts'

type Started = Awaited<ReturnType<typeof ownServer>>

describe('redis: replicas', { concurrency: 1 }, () => {
  let primary: Started
  let replica: Started
  let control: ReturnType<typeof createClient>
  before(async () => {
    primary = await ownServer('redis')
    replica = await ownServer('redis')
    // Else each first copy waits 5 s for other replicas.
    const plain = await createClient({ url: primary.url }).connect()
    await plain.configSet('repl-diskless-sync-delay', '0')
    plain.destroy()
    control = createClient({ url: replica.url })
    await control.connect()
    await control.sendCommand(['REPLICAOF', '127.0.0.1', new URL(primary.url).port])
    while (!String(await control.info('replication')).includes('master_link_status:up')) await new Promise((resolve) => setTimeout(resolve, 20))
  })
  after(async () => {
    control.destroy()
    await Promise.all([primary.down(), replica.down()])
  })

  test('a confirm means that a replica has it; without one its fate is unknown, consuming goes on, and a resend confirms it', async () => {
    const rig = new Rig({ factory: transport, url: primary.url, options: { redis: { replicas: 1, leaseMs: 1_000, replyTimeoutMs: 2_400 } } })
    try {
      const sender = await rig.channel({ groups: ['g'] })
      assert.match(sender.facts.notes.join(' '), /waits for 1 replicas/)
      const lengthThere = (): Promise<number> => control.xLen('sluice:{c}')
      assert.deepEqual((await sender.send(numbered(10, ['a', 'b']))).failures, [])
      assert.equal(await lengthThere(), 10)
      const probe = await rig.join(sender)
      assert.equal((await probe.drain(10)).length, 10)

      await control.sendCommand(['REPLICAOF', 'NO', 'ONE'])
      const late = [message({ key: 'a', id: 'late', body: 'late' })]
      const waiting = sender.send(late)
      assert.equal((await probe.drain(1))[0]?.envelope.id, 'late')
      assert.deepEqual(
        (await waiting).failures.map(({ state, retryable, error }) => [state, retryable, error.code]),
        [['unknown', true, 'PUBLISH_UNKNOWN']],
      )
      // A resend begins when everybody has been told.
      const again = (): Promise<SendReport> => new Promise((resolve) => setImmediate(() => resolve(sender.send(late, { resend: true }))))
      assert.equal((await again()).failures[0]?.state, 'unknown')
      assert.deepEqual([probe.lost, probe.settlementsLost], [[], []])

      await control.sendCommand(['REPLICAOF', '127.0.0.1', new URL(primary.url).port])
      while ((await again()).failures.length > 0);
      assert.equal(await lengthThere(), 11)
      await probe.quiet()
    } finally {
      await rig.close()
    }
  })

  test('the URL of a replica is refused, and the primary asked for', async () => {
    const rig = new Rig({ factory: transport, url: replica.url })
    await assert.rejects(rig.open(), { code: 'UNSUPPORTED', message: /replica.*primary/ })
  })

  test('of several hosts the primary is used, and followed when another one becomes it; nothing confirmed is lost', async () => {
    const port = ({ url }: Started): string => new URL(url).port
    const url = `redis://127.0.0.1:${port(replica)},127.0.0.1:${port(primary)}?prefix=several:`
    const rig = new Rig({ factory: transport, url, options: { redis: { replicas: 1, leaseMs: 1_000, replyTimeoutMs: 2_400 } } })
    const former = createClient({ url: primary.url })
    await former.connect()
    try {
      const sender = await rig.channel({ groups: ['g'] })
      const probe = await rig.join(await rig.open())
      await sender.send(numbered(10, ['a', 'b']))
      assert.equal((await probe.drain(10)).length, 10)
      await control.sendCommand(['REPLICAOF', 'NO', 'ONE'])
      await former.sendCommand(['REPLICAOF', '127.0.0.1', port(replica)])
      const later = numbered(10, ['a'], 10)
      const until = performance.now() + 30_000
      for (let left = later; left.length > 0; ) {
        const { failures } = await sender.send(left, { resend: left !== later })
        for (const { retryable, error } of failures) assert.ok(retryable && performance.now() < until, error.message)
        left = failures.map(({ index }) => left[index] as (typeof left)[0])
        // Its caller has been told before it sends again.
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      const got = await probe.drain(10)
      assert.deepEqual(
        got.map(({ envelope }) => envelope.body),
        later.map(({ envelope }) => envelope.body),
      )
      assert.equal(await control.xLen('several:{c}'), 20)
      assert.ok(rig.reports.some(({ message: text }) => text.includes('may know less than it had answered')))
    } finally {
      former.destroy()
      await rig.close()
    }
  })
})
