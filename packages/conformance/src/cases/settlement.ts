import assert from 'node:assert/strict'
import type { Delivery } from '@sluice/core/transport'
import { assertOrderPerKey, bodies, eventually, within } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message, numbered } from '../suite/rig.ts'

/** What becomes of a delivery. */
export const settlement: Subject = {
  name: 'settlement',
  cases: [
    {
      name: 'accept: never again, neither to another member nor after a restart',
      async run(rig) {
        const first = await rig.channel()
        const probe = await rig.join(first)
        await first.send(numbered(50, ['a', 'b', undefined]))
        await probe.drain(50)
        await rig.close(first)
        const again = await rig.join(await rig.open())
        await again.quiet(150)
        assert.equal((await (await rig.open()).admin.groups())[0]?.backlog, 0)
      },
    },
    {
      name: 'accepted out of order: exactly the others come again',
      async run(rig) {
        const first = await rig.channel()
        const probe = await rig.join(first)
        await first.send(numbered(60, ['a', 'b', 'c', 'd', undefined]))
        const taken = await probe.take(60)
        const done = taken.filter((_, i) => i % 3 === 0 || i > 50)
        probe.consumer.accept(done)
        await probe.consumer.flush()
        await rig.close(first)
        const rest = await (await rig.join(await rig.open())).drain(60 - done.length)
        const ids = new Set(done.map((delivery) => delivery.envelope.id))
        assert.ok(rest.every((delivery) => !ids.has(delivery.envelope.id)))
        assertOrderPerKey(rest)
      },
    },
    {
      name: 'release: comes again, before what is newer, without an attempt, counted as a delivery',
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(3, ['a']))
        const taken = await probe.take(2)
        probe.consumer.release(taken)
        const again = await probe.take(3)
        assert.deepEqual(bodies(again).slice(0, 2), ['0', '1'])
        assert.deepEqual(
          again.map((delivery) => delivery.attempt),
          [0, 0, 0],
        )
        assert.ok((again[0] as Delivery).deliveries >= 1)
        assert.ok(((again[0] as Delivery).firstDeliveredAtMs ?? 0) > 0)
      },
    },
    {
      name: 'attempts, back-off and note survive a restart',
      needs: (facts) => (facts.attempts === 'none' ? 'attempts are forgotten' : undefined),
      async run(rig) {
        const first = await rig.channel()
        const probe = await rig.join(first)
        await first.send([message({ key: 'a', body: '0' }), message({ body: '1' })])
        const taken = await probe.take(2)
        const notBeforeMs = rig.clock.nowMs() + 60_000
        await probe.consumer.record(taken.map((delivery) => ({ delivery, attempt: 3, notBeforeMs, firstDeliveredAtMs: 1_234, note: 'näte' })))
        await rig.close(first)
        const again = await (await rig.join(await rig.open())).take(2)
        for (const delivery of again)
          assert.deepEqual(
            [delivery.attempt, delivery.notBeforeMs, delivery.firstDeliveredAtMs, delivery.note, delivery.suspect],
            [3, notBeforeMs, 1_234, 'näte', false],
          )
      },
    },
    {
      name: 'leaving releases what is unsettled at once, to another member',
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const [one, two] = [await rig.join(a), await rig.join(b)]
        await one.until(() => one.owned.size === 4, 'half of the partitions')
        await two.until(() => two.owned.size === 4, 'half of the partitions')
        await a.send(
          numbered(
            40,
            Array.from({ length: 16 }, (_, i) => `k${i}`),
          ),
        )
        const taken = await one.take(1)
        const startMs = performance.now()
        await one.consumer.close()
        const got = await two.drain(40)
        assert.ok(got.some((delivery) => delivery.envelope.id === taken[0]?.envelope.id))
        assertOrderPerKey(got)
        assert.ok(performance.now() - startMs < Math.max(1_000, rig.facts.takeOverMs), 'nobody waited for a lease to run out')
      },
    },
    {
      name: 'close ends a pending receive with nothing',
      async run(rig) {
        const probe = await rig.join(await rig.channel())
        const receiving = probe.receive()
        await probe.consumer.close()
        assert.deepEqual(await within(receiving, () => 'receive still pends after close'), [])
        assert.deepEqual(await within(probe.consumer.receive(1, 1), () => 'receive pends on a closed consumer'), [])
      },
    },
    {
      name: 'a lost settlement is reported, never silent: the lease moved on',
      needs: (facts) => (facts.keyOrder === 'none' ? 'nobody owns keys here' : undefined),
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        // An observer that hands over although it has not settled.
        const hasty = await rig.join(a)
        await a.send(
          numbered(
            32,
            Array.from({ length: 32 }, (_, i) => `k${i}`),
          ),
        )
        const taken = await hasty.take(32)
        const heir = await rig.join(b)
        await heir.until(() => heir.owned.size === 4, 'half of the partitions')
        const moved = taken.filter((delivery) => heir.owned.has(delivery.partition))
        assert.ok(moved.length > 0, 'some of 32 keys moved')
        hasty.consumer.accept(moved)
        await hasty.until(() => hasty.settlementsLost.length + hasty.lostDeliveries.length >= moved.length, 'every late settlement to be reported')
        await assert.rejects(hasty.consumer.record([{ delivery: moved[0] as Delivery, attempt: 1, notBeforeMs: 0, firstDeliveredAtMs: 0 }]), {
          code: 'LEASE_LOST',
        })
        await assert.rejects(hasty.deadLetter(moved[0] as Delivery, 'continue'), { code: 'LEASE_LOST' })
        assert.equal((await heir.drain(moved.length)).length, moved.length)
        assert.equal((await b.admin.groups())[0]?.deadLetters, 0)
      },
    },
    {
      name: 'a handler that takes longer than the lease keeps its delivery while its process lives',
      needs: (facts) =>
        facts.takeOverMs > 3_000
          ? 'taking over takes longer than this run waits'
          : facts.handlingMsMax < facts.takeOverMs * 2
            ? 'it bounds handling'
            : undefined,
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const slow = await rig.join(a)
        await a.send(numbered(8, ['a', 'b', 'c', 'd', 'e', 'f', undefined, undefined]))
        await slow.until(() => slow.owned.size === 8, 'all partitions')
        const taken = await slow.take(8)
        await new Promise((resolve) => setTimeout(resolve, rig.facts.takeOverMs * 2))
        slow.consumer.accept(taken)
        await slow.consumer.flush()
        assert.deepEqual([slow.settlementsLost.length, slow.lost.length], [0, 0])
        await slow.consumer.close()
        await (await rig.join(b)).quiet()
      },
    },
    {
      name: 'a dead member is taken over: its deliveries come again in order, marked suspect',
      crashes: true,
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const victim = await rig.join(a)
        await victim.until(() => victim.owned.size === 8, 'all partitions')
        await a.send(numbered(30, ['a', 'b', 'c', undefined]))
        const taken = await victim.take(30)
        victim.consumer.accept(taken.slice(0, 4))
        await victim.consumer.flush()
        rig.crash(a)
        const heir = await rig.join(b)
        const got = await heir.drain(26)
        assert.ok(got.every((delivery) => delivery.suspect && delivery.deliveries >= 1))
        assertOrderPerKey(got)
        // What the dead one still does changes nothing.
        victim.consumer.accept(taken)
        await eventually(
          () => b.admin.groups(),
          (list) => list[0]?.backlog === 0 && list[0].consumers === 1,
          'one consumer, no backlog',
        )
      },
    },
    {
      name: '10,000 messages over 100 reconnects: all of them, in order, none twice after its acceptance',
      // A hundred between one reconnect and the next.
      messages: { whole: 10_000, short: 3_000 },
      timeoutMs: 120_000,
      async run(rig, messages) {
        const producer = await rig.channel({ groups: ['g'] })
        const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)
        const accepted = new Set<string>()
        const first = new Map<string, Delivery>()
        for (let round = 0; round < messages / 100; round++) {
          assert.deepEqual((await producer.send(numbered(100, keys, round * 100))).failures, [])
          const transport = await rig.open()
          const probe = await rig.join(transport)
          const taken = await probe.take(80)
          for (const delivery of taken) {
            assert.ok(!accepted.has(delivery.envelope.id), `${delivery.envelope.body} was accepted before`)
            first.set(delivery.envelope.id, first.get(delivery.envelope.id) ?? delivery)
          }
          // Some are left unsettled on purpose.
          const done = taken.slice(0, 70 + (round % 10))
          for (const delivery of done) accepted.add(delivery.envelope.id)
          probe.consumer.accept(done)
          await rig.close(transport)
        }
        const probe = await rig.join(producer)
        const rest = await probe.drain(messages - accepted.size)
        assert.ok(rest.every((delivery) => !accepted.has(delivery.envelope.id)))
        for (const delivery of rest) first.set(delivery.envelope.id, first.get(delivery.envelope.id) ?? delivery)
        assert.equal(first.size, messages)
        assertOrderPerKey([...first.values()])
        await probe.quiet()
      },
    },
  ],
}
