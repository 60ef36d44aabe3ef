import assert from 'node:assert/strict'
import type { Delivery } from '@sluice/core/transport'
import { assertOrderPerKey, bodies, eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message, numbered } from '../suite/rig.ts'

/** Who gets what: groups, members, windows. */
export const groups: Subject = {
  name: 'groups',
  cases: [
    {
      name: 'fan-out: every group gets every message',
      async run(rig) {
        const transport = await rig.channel()
        const names = Array.from({ length: 5 }, (_, i) => `g${i}`)
        const probes = await Promise.all(names.map((group) => rig.join(transport, { group })))
        await transport.send(numbered(50, ['a', 'b', 'c', undefined]))
        for (const probe of probes) {
          const got = await probe.drain(50)
          assertOrderPerKey(got)
          assert.equal(new Set(bodies(got)).size, 50)
          await probe.quiet(10)
        }
      },
    },
    {
      name: 'competing consumers: each message to one member, all of them covered',
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const probes = [await rig.join(a), await rig.join(b)]
        await a.send(numbered(200, [...Array.from({ length: 30 }, (_, i) => `k${i}`), undefined]))
        const got: Delivery[] = []
        const pumps = probes.map((probe) =>
          probe.pump(async (deliveries) => {
            // What was on its way when its partition was asked back comes to the next owner.
            const mine = deliveries.filter((delivery) => probe.mayBegin(delivery))
            got.push(...mine)
            probe.consumer.accept(mine)
            await probe.consumer.flush()
          }, 7),
        )
        await eventually(
          async () => got.length,
          (count) => count >= 200,
          '200 deliveries',
        )
        await Promise.all(probes.map((probe) => probe.consumer.close()))
        await Promise.all(pumps)
        assert.equal(got.length, 200)
        assert.equal(new Set(bodies(got)).size, 200)
        assertOrderPerKey(got)
      },
    },
    {
      name: 'a group that was declared collects before anybody consumes, a late one starts where it asks',
      async run(rig) {
        const transport = await rig.channel({ groups: ['early'] })
        await transport.send([message({ body: '0' })])
        await eventually(
          async () => rig.clock.nowMs(),
          (nowMs) => nowMs > 0,
          'the clock',
        )
        await new Promise((resolve) => setTimeout(resolve, 3))
        const betweenMs = rig.clock.nowMs()
        await transport.send([message({ body: '1' })])
        const end = await rig.join(transport, { group: 'end', from: 'end' })
        const early = await rig.join(transport, { group: 'early', from: 'end' })
        assert.deepEqual(bodies(await early.drain(2)).toSorted(), ['0', '1'])
        if (rig.facts.lateGroup === 'start') {
          assert.deepEqual(bodies(await (await rig.join(transport, { group: 'start' })).drain(2)), ['0', '1'])
          const since = await rig.join(transport, { group: 'since', from: betweenMs })
          assert.deepEqual(bodies(await since.drain(1)), ['1'])
        }
        await transport.send([message({ body: '2' })])
        assert.deepEqual(bodies(await end.drain(1)), ['2'])
      },
    },
    {
      name: 'broadcast: each instance has a group of its own, which is gone with it',
      needs: (facts) => (facts.broadcast ? undefined : 'it has no group an instance'),
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const one = await rig.join(a, { group: 'g.1', from: 'end', ephemeral: true })
        const two = await rig.join(b, { group: 'g.2', from: 'end', ephemeral: true })
        await a.send(numbered(3, [undefined]))
        assert.equal((await one.drain(3)).length, 3)
        assert.equal((await two.drain(3)).length, 3)
        await one.consumer.close()
        await rig.close(b)
        await eventually(
          () => a.admin.groups('c'),
          (list) => list.length === 0,
          'both groups to be gone',
        )
      },
    },
    {
      // Found by the shop with --chaos: on Redis `groups` failed once a dead instance's reply channel went, on RabbitMQ
      // looking kept the queue alive.
      name: 'broadcast and replies of an instance that died are gone, though somebody looks all the time, and looking never fails',
      crashes: true,
      timeoutMs: 90_000,
      needs: (facts) => (facts.broadcast ? undefined : 'it has no group an instance'),
      async run(rig) {
        const [watcher, victim] = [await rig.channel({ groups: ['lasting'] }), await rig.open()]
        await victim.declare({ channels: [{ name: 'r', kind: 'reply' }], groups: [] })
        await rig.join(victim, { group: 'dead.1', from: 'end', ephemeral: true })
        await rig.join(victim, { channel: 'r', group: 'r', kind: 'reply', ephemeral: true })
        await watcher.send(numbered(3, [undefined]))
        assert.ok((await watcher.admin.groups()).some(({ group }) => group === 'dead.1'))
        rig.crash(victim)
        const looks = async (): Promise<readonly string[]> => {
          await watcher.admin.channels()
          return (await watcher.admin.groups()).map(({ group }) => group)
        }
        await eventually(looks, (list) => list.join() === 'lasting', 'only the lasting group', 60_000)
      },
    },
    {
      name: 'declaring is idempotent, also from many sides at once, and says when it cannot be',
      async run(rig) {
        const all = await Promise.all(Array.from({ length: 4 }, () => rig.open()))
        await Promise.all(
          all.map((transport) =>
            transport.declare({
              channels: [{ name: 'c', kind: 'events', partitions: 4 }],
              groups: [{ channel: 'c', group: 'g', from: 'start', order: 'key', ephemeral: false }],
            }),
          ),
        )
        const [transport] = all
        assert.ok(transport)
        assert.equal((await transport.admin.groups()).length, 1)
        await assert.rejects(transport.declare({ channels: [{ name: 'c', kind: 'commands' }], groups: [] }), { code: 'CONTRACT_CONFLICT' })
        // Fewer partitions: an older version of the service beside a newer one.
        await transport.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
        const probe = await rig.join(transport)
        await probe.until(() => probe.owned.size === 4, 'four partitions')
      },
    },
    {
      name: 'a sender declares a group provisionally: its first member settles order and concurrency, which then hold',
      timeoutMs: 90_000,
      async run(rig) {
        const transport = await rig.open()
        for (const [i, settings] of [
          { order: 'channel' },
          { order: 'none' },
          { order: 'key', groupConcurrency: rig.facts.groupConcurrency ? 2 : undefined },
        ].entries()) {
          const place = { channel: `c${i}`, group: `c${i}` }
          const guess = { ...place, from: 'start', order: 'key', ephemeral: false, provisional: true } as const
          const partitions = settings.order === 'channel' && rig.facts.partitions === 'fixed' ? 1 : 8
          await transport.declare({ channels: [{ name: place.channel, kind: 'commands', partitions }], groups: [guess] })
          const sent = numbered(20, ['a', 'b', 'c']).map((each) => ({ ...each, channel: place.channel }))
          assert.deepEqual((await transport.send(sent)).failures, [])
          const { groupConcurrency, order } = { groupConcurrency: undefined, ...settings }
          const wanted = { ...place, kind: 'commands', order: order as 'key', ...(groupConcurrency === undefined ? {} : { groupConcurrency }) } as const
          const probe = await rig.join(transport, wanted)
          await transport.declare({ channels: [], groups: [guess] })
          const got = []
          while (got.length < 20) {
            const some = await probe.receive()
            assert.ok(some.length <= (groupConcurrency ?? 20))
            got.push(...some)
            probe.consumer.accept(some)
            await probe.consumer.flush()
          }
          if (order !== 'none') assertOrderPerKey(got)
          if (order === 'channel') assert.equal(bodies(got).join(), bodies(got.toSorted((x, y) => Number(x.envelope.body) - Number(y.envelope.body))).join())
          await assert.rejects(transport.declare({ channels: [], groups: [{ ...guess, order: order === 'none' ? 'key' : 'none', provisional: false }] }), {
            code: 'CONTRACT_CONFLICT',
          })
        }
      },
    },
    {
      name: 'the window bounds what is unsettled, by count and by bytes',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g', 'h'] })
        await transport.send(Array.from({ length: 20 }, (_, i) => message({ body: String(i).padEnd(800) })))
        const byCount = await rig.join(transport, { windowCount: 4 })
        const four = await byCount.take(4)
        await byCount.quiet()
        byCount.consumer.accept(four.slice(0, 1))
        assert.equal((await byCount.take(1)).length, 1)
        await byCount.quiet(10)
        const byBytes = await rig.join(transport, { group: 'h', windowBytes: 2_500 })
        const some = await byBytes.take(1)
        while (some.reduce((sum, delivery) => sum + delivery.sizeBytes, 0) < 1_600) some.push(...(await byBytes.take(1)))
        const more = await Promise.race([byBytes.receive(), new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 60))])
        assert.ok((more ?? []).length <= 1, 'at most one beyond the bytes')
      },
    },
    {
      name: 'receive respects its own bounds, and one message beyond the bytes still passes alone',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        await transport.send(Array.from({ length: 6 }, (_, i) => message({ body: String(i).padEnd(1_000) })))
        const { consumer } = await rig.join(transport)
        assert.ok((await consumer.receive(2, 1e6)).length <= 2)
        assert.equal((await consumer.receive(10, 100)).length, 1)
      },
    },
    {
      name: 'paused: nothing is delivered, the backlog grows; resumed: all of it comes',
      async run(rig) {
        const [transport, other] = [await rig.channel(), await rig.open()]
        const probe = await rig.join(transport)
        await transport.send([message({ body: '0' })])
        await probe.drain(1)
        await other.admin.setPaused('c', 'g', true)
        await probe.until(() => probe.isPaused, 'the observer to hear of the pause')
        await transport.send([message({ body: '1' }), message({ body: '2' })])
        await probe.quiet()
        const status = (await transport.admin.groups())[0]
        assert.deepEqual([status?.backlog, status?.paused], [2, true])
        // Who joins a paused group hears of it, too.
        const late = await rig.join(other)
        await late.until(() => late.isPaused, 'the newcomer to hear of the pause')
        await late.consumer.close()
        await other.admin.setPaused('c', 'g', false)
        assert.deepEqual(bodies(await probe.drain(2)).toSorted(), ['1', '2'])
        assert.equal(probe.isPaused, false)
      },
    },
    {
      name: 'a group is forgotten only when nobody consumes it',
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(3, ['a']))
        await assert.rejects(transport.admin.removeGroup('c', 'g'), { code: 'INVALID_OPTION' })
        await probe.consumer.close()
        await eventually(
          () => transport.admin.groups(),
          (list) => list[0]?.consumers === 0,
          'the consumer to be gone',
        )
        await transport.admin.removeGroup('c', 'g')
        assert.deepEqual(await transport.admin.groups(), [])
      },
    },
    {
      name: 'the types of a group are the union over its members, with how many handle each',
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const one = await rig.join(a, { types: ['x', 'y'] })
        const two = await rig.join(b, { types: ['y', 'z'] })
        await eventually(
          async () => [...one.consumer.groupTypes()].toSorted(),
          (types) => JSON.stringify(types) === '[["x",1],["y",2],["z",1]]',
          'the union',
        )
        await one.consumer.close()
        await eventually(
          async () => [...two.consumer.groupTypes()].toSorted(),
          (types) => JSON.stringify(types) === '[["x",0],["y",1],["z",1]]',
          'x without a member, but recorded',
        )
      },
    },
    {
      name: 'a partition goes to a member that handles the type found in it',
      needs: (facts) => (facts.keyOrder === 'none' ? 'nobody owns keys here' : undefined),
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const old = await rig.join(a, { types: ['t'] })
        await old.until(() => old.owned.size === 8, 'all partitions')
        const young = await rig.join(b, { types: ['t', 'new'] })
        await old.until(() => old.owned.size === 4, 'half of them')
        await eventually(
          async () => old.consumer.groupTypes().get('new'),
          (count) => count === 1,
          'the new type to be known',
        )
        // Keys enough for all partitions: each new message that lands with the old member is handed on.
        await a.send(Array.from({ length: 32 }, (_, i) => message({ type: 'new', key: `k${i}`, body: String(i) })))
        const got: Delivery[] = []
        void young.pump((deliveries) => {
          const mine = deliveries.filter((delivery) => young.mayBegin(delivery))
          got.push(...mine)
          young.consumer.accept(mine)
        })
        void old.pump(async (deliveries) => {
          // What is given back may come again at once.
          await new Promise((resolve) => setImmediate(resolve))
          old.consumer.release(deliveries)
          for (const partition of new Set(deliveries.map((delivery) => delivery.partition))) old.consumer.yieldPartition(partition, 'new')
        })
        await eventually(
          async () => got.length,
          (count) => count === 32,
          'all new messages at the member that knows them',
        )
      },
    },
    {
      name: 'concurrency over the whole group is bounded',
      needs: (facts) => (facts.groupConcurrency ? undefined : 'concurrency is bounded per process only'),
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const limited = { groupConcurrency: 3 }
        const probes = [await rig.join(a, limited), await rig.join(b, limited)]
        await a.send(
          numbered(
            60,
            Array.from({ length: 20 }, (_, i) => `k${i}`),
          ),
        )
        let inFlight = 0
        let most = 0
        let done = 0
        for (const probe of probes) {
          void probe.pump(async (all) => {
            const deliveries = all.filter((delivery) => probe.mayBegin(delivery))
            inFlight += deliveries.length
            most = Math.max(most, inFlight)
            await new Promise((resolve) => setImmediate(resolve))
            inFlight -= deliveries.length
            done += deliveries.length
            probe.consumer.accept(deliveries)
          })
        }
        await eventually(
          async () => done,
          (count) => count === 60,
          'all to be handled',
        )
        assert.ok(most <= 3, `at most 3 at once, not ${most}`)
      },
    },
    {
      name: 'the number of live consumers is known',
      needs: (facts) => (facts.presence ? undefined : 'nobody counts consumers here'),
      async run(rig) {
        const [a, b] = [await rig.channel({ groups: ['g'] }), await rig.open()]
        const count = async (): Promise<number | undefined> => (await a.admin.groups())[0]?.consumers
        assert.equal(await count(), 0)
        const [one, two] = [await rig.join(a), await rig.join(b)]
        await eventually(count, (n) => n === 2, 'two consumers')
        await one.consumer.close()
        await eventually(count, (n) => n === 1, 'one consumer')
        await two.consumer.close()
        await eventually(count, (n) => n === 0, 'no consumer')
      },
    },
    {
      name: '5,000 messages to 50 groups',
      messages: { whole: 5_000, short: 1_000 },
      timeoutMs: 150_000,
      async run(rig, messages) {
        // Few partitions: it is about groups, and a server has a queue for each partition of each.
        const transport = await rig.channel({ partitions: 2 })
        const probes = await Promise.all(Array.from({ length: 50 }, (_, i) => rig.join(transport, { group: `g${i}` })))
        const sent = numbered(
          messages,
          Array.from({ length: 100 }, (_, i) => `k${i}`),
        )
        const receiving = probes.map((probe) => probe.drain(messages))
        for (let i = 0; i < messages; i += 500) assert.deepEqual((await transport.send(sent.slice(i, i + 500))).failures, [])
        for (const got of await Promise.all(receiving)) assertOrderPerKey(got)
        await eventually(
          () => transport.admin.groups(),
          (list) => list.every((group) => group.backlog === 0),
          'no backlog',
        )
      },
    },
  ],
}
