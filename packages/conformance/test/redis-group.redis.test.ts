/** Who owns which partition on Redis: states that the server can be left in, made by hand. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { numbered, Rig } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/redis'
import { createClient } from 'redis'
import { redisOptions } from './redis-options.ts'

describe('redis: groups', { concurrency: 1 }, () => {
  let plain: ReturnType<typeof createClient>
  before(async () => {
    plain = createClient({ url: process.env.SLUICE_TEST_REDIS_URL ?? '' })
    await plain.connect()
  })
  after(() => plain.destroy())

  /** A place of a case's own; `group` is the name of the group's hash. */
  const place = async (
    options: object = { leaseMs: 60_000 },
  ): Promise<{ readonly rig: Rig; readonly key: string; readonly group: string; end(): Promise<void> }> => {
    const { url, dispose } = await redisOptions.url()
    const rig = new Rig({ factory: transport, url, options: { redis: options } })
    const key = `${new URL(url).searchParams.get('prefix')}{c}`
    const end = async (): Promise<void> => {
      await rig.close()
      await dispose?.()
    }
    return { rig, key, group: `${key}:g:g`, end }
  }

  test('partitions of a member that left while its take was under way are taken and split by those who stay', async () => {
    const { rig, key, group, end } = await place()
    try {
      const sender = await rig.channel({ groups: ['g'] })
      await sender.send(numbered(40, ['a', 'b', 'c', 'd', 'e']))
      // As a take leaves them that the server ran right before the same member left.
      await plain.hSet(`${group}:parts`, { '1/8:o': `gone/${newId()}`, '5/8:o': `gone/${newId()}` })
      const probe = await rig.join(await rig.open())
      await probe.until(() => probe.owned.size === 8, 'all partitions')
      assert.equal((await probe.drain(40)).length, 40)

      await plain.hSet(`${group}:parts`, { '2/8:o': `gone/${newId()}`, '6/8:o': `gone/${newId()}` })
      await sender.declare({ channels: [{ name: 'c', kind: 'events', partitions: 16 }], groups: [] })
      await probe.until(() => [...probe.owned].filter((name) => name.endsWith('/16')).length === 16, 'twice as many partitions')
      assert.equal(await plain.xLen(`${key}:bell`), 1)
    } finally {
      await end()
    }
  })

  test('a stream that a person deleted is made anew by who sends; figures are right, and consuming goes on', async () => {
    const { rig, key, end } = await place({ leaseMs: 1_000 })
    try {
      const sender = await rig.channel({ groups: ['g'] })
      const probe = await rig.join(await rig.open())
      await sender.send(numbered(5, ['a', 'b']))
      await probe.drain(5)
      await plain.del(key)
      let first = numbered(1, ['a'], 5)
      while (first.length > 0) {
        const { failures } = await sender.send(first)
        first = failures.map(({ index }) => first[index] as (typeof first)[0])
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await sender.send(numbered(2, ['a', 'b'], 6))
      const held = await probe.take(3)
      assert.equal((await sender.admin.groups('c'))[0]?.backlog, 3)
      probe.consumer.accept(held)
      await probe.consumer.flush()
      assert.equal((await sender.admin.groups('c'))[0]?.backlog, 0)
    } finally {
      await end()
    }
  })

  test('after a standstill beyond its lease, a member is certain only when it heard what was taken over', async () => {
    const { rig, group, end } = await place({ leaseMs: 1_500 })
    try {
      const sender = await rig.channel({ groups: ['g'] })
      await sender.send(numbered(8, ['a', 'b', 'c', 'd']))
      const probe = await rig.join(await rig.open())
      const taken = await probe.take(8)
      const [member = ''] = await plain.zRange(`${group}:members`, 0, -1)
      // What another member's look does once the lease has run out; this one stands still meanwhile.
      const parts = await plain.hGetAll(`${group}:parts`)
      const freed = Object.entries(parts).flatMap(([field, value]): [string, string][] =>
        field.endsWith(':e') ? [[field, String(Number(value) + 1)]] : field.endsWith(':o') ? [[field, '']] : [],
      )
      await plain.multi().zRem(`${group}:members`, member).hDel(`${group}:info`, member).hSet(`${group}:parts`, Object.fromEntries(freed)).exec()
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_600)
      assert.deepEqual([probe.lost, probe.consumer.overdue], [[], true])
      await probe.consumer.confirmHeld?.()
      assert.equal(probe.consumer.overdue, false)
      assert.equal(new Set(probe.lost).size, 8)
      probe.consumer.accept(taken)
      await probe.consumer.flush()
      assert.equal(probe.settlementsLost.length, 8)
      assert.equal((await probe.drain(8)).length, 8)
    } finally {
      await end()
    }
  })

  test('a server that goes back to an earlier state, as by a fail-over: what it forgot comes again, dead letters too; nothing is buried', async () => {
    const { rig, key, end } = await place({ leaseMs: 1_000 })
    const copied = (from: string, to: string): Promise<unknown> =>
      plain.eval(
        `for _, k in ipairs(redis.call('KEYS', ARGV[2] .. '*')) do redis.call('DEL', k) end
        for _, k in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('COPY', k, ARGV[2] .. string.sub(k, #ARGV[1] + 1)) end`,
        { arguments: [from, to] },
      )
    try {
      const sender = await rig.channel({ groups: ['g'] })
      const probe = await rig.join(await rig.open())
      await sender.send(numbered(10, ['a', 'b', 'c']))
      const taken = await probe.take(10)
      probe.consumer.accept(taken.slice(0, 2))
      await probe.consumer.flush()
      const earlier = `earlier-${newId()}:`
      await copied(key, earlier)
      await probe.deadLetter(taken[2] as (typeof taken)[0], 'continue')
      probe.consumer.accept(taken.slice(3, 6))
      await probe.consumer.flush()
      await copied(earlier, key)
      probe.consumer.accept(taken.slice(6))
      await probe.consumer.flush()
      assert.deepEqual([(await sender.admin.groups('c'))[0]?.deadLetters, (await sender.admin.groups('c'))[0]?.backlog], [0, 8])
      const again = await probe.drain(8)
      assert.deepEqual(
        again.map(({ envelope }) => envelope.id).sort(),
        taken
          .slice(2)
          .map(({ envelope }) => envelope.id)
          .sort(),
      )
      assert.equal((await sender.admin.groups('c'))[0]?.backlog, 0)

      // The same where nobody settles anything after it: the next heartbeat notices.
      await copied(earlier, key)
      assert.equal((await probe.drain(8)).length, 8)
      await probe.quiet()
      assert.equal(rig.reports.filter(({ message: text }) => text.includes('may know less than it had answered')).length, 2)
      await copied('none', earlier)
    } finally {
      await end()
    }
  })
})
