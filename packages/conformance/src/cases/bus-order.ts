import assert from 'node:assert/strict'
import { type Bus, type EventContract, event, typed } from '@sluice/core'
import { seededRandom } from '@sluice/core/transport'
import { type ChaosOptions, chaosTransport } from '../chaos/index.ts'
import { Handled } from '../probe/handled.ts'
import { eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import type { Rig } from '../suite/rig.ts'
import { drained } from './bus-messages.ts'
import { type Item, items, orderChannel, Placed } from './contracts.ts'

/** Order per key, from one producer's calls to the handlers. */
export const busOrder: Subject = {
  name: 'order',
  cases: [
    {
      name: 'under concurrency, with retries, awaited or not',
      timeoutMs: 60_000,
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        const random = seededRandom(3)
        const running = new Map<string, number>()
        b.on(
          Placed,
          async (data, context) => {
            const key = data.key ?? ''
            assert.equal(running.get(key), undefined, 'one handler a key at a time')
            running.set(key, data.n)
            handled.note(data, context)
            if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 3))
            running.delete(key)
            if (random() < 0.1) throw new Error('not yet')
          },
          { concurrency: 32, retry: { attempts: 50, minDelayMs: 1, maxDelayMs: 5 }, killSwitch: false },
        )
        await b.start()
        const all: Promise<unknown>[] = []
        for (let n = 0; n < 1_000; n++) all.push(a.publish(Placed, { n, key: `k${n % 37}` }))
        await Promise.all(all)
        await handled.when(
          () => handled.firsts().length === 1_000,
          () => `${handled.firsts().length} of 1000 were handled`,
        )
        await drained(b)
        handled.assertOrder()
        assert.equal((await b.deadLetters(Placed).list()).length, 0)
      },
    },
    {
      name: 'under resends: confirms are lost, some stored, some not',
      timeoutMs: 60_000,
      run: (rig) => underChaos(rig, { seed: 21, unknownRate: 0.03, confirmDelayMsMax: 4 }),
    },
    {
      name: 'under duplicates and reordering on the way in (R4: consumers drop repeats and wait for gaps)',
      timeoutMs: 60_000,
      run: (rig) => underChaos(rig, { seed: 22, duplicateRate: 0.1, reorderRate: 0.1, reorderDistance: 6 }),
    },
    {
      name: 'under all of it at once: duplicates, reordering, lost confirms, lost settlements',
      timeoutMs: 60_000,
      run: (rig) => underChaos(rig, { seed: 23, duplicateRate: 0.05, reorderRate: 0.05, unknownRate: 0.02, lostSettlementRate: 0.02, confirmDelayMsMax: 3 }),
    },
    {
      name: 'under lost settlements: reported, and handled again, in order',
      timeoutMs: 60_000,
      run: (rig) => underChaos(rig, { seed: 24, lostSettlementRate: 0.05 }),
    },
    {
      name: 'while consumers join and leave, with retries and long back-offs, nothing is lost or doubled',
      needs: (facts) => (facts.parkingLot === 'none' ? 'it has no parking lot' : undefined),
      timeoutMs: 60_000,
      async run(rig) {
        const a = await rig.bus('order')
        const handled = new Handled()
        const running = new Set<string>()
        const done: number[] = []
        const join = async (): Promise<Bus> => {
          const bus = await rig.bus('stock', { holdMaxMs: 10 })
          bus.on(
            Placed,
            async (data, context) => {
              const key = data.key ?? ''
              assert.ok(!running.has(key), 'one handler a key at a time, over all members')
              running.add(key)
              handled.note(data, context)
              await new Promise((resolve) => setTimeout(resolve, 1))
              running.delete(key)
              if (data.n % 13 === 0 && context.attempt < 3) throw new Error('not yet')
              done.push(data.n)
            },
            { retry: { attempts: 6, minDelayMs: 8, maxDelayMs: 40 }, killSwitch: false },
          )
          await bus.start()
          return bus
        }
        const members = [await join()]
        for (let round = 0; round < 8; round++) {
          await a.publishMany(Placed, items(100, 25, round * 100))
          members.push(await join())
          await handled.when(
            () => handled.firsts().length >= round * 100 + 20,
            () => 'progress in each round',
          )
          if (members.length > 2) await members.shift()?.stop()
        }
        await drained(a)
        handled.assertOrder()
        assert.equal(new Set(done).size, 800)
        assert.equal(done.length, 800, 'nothing was handled to the end twice')
      },
    },
    {
      name: 'while partitions are added',
      timeoutMs: 60_000,
      async run(rig) {
        const [a, b, c] = [await rig.bus('order'), await rig.bus('stock'), await rig.bus('stock')]
        const handled = new Handled()
        for (const bus of [b, c]) {
          bus.on(Placed, async (data, context) => {
            await new Promise((resolve) => setImmediate(resolve))
            handled.note(data, context)
          })
          await bus.start()
        }
        const grower = await rig.open()
        for (let round = 0; round < 6; round++) {
          await a.publishMany(Placed, items(100, 20, round * 100))
          if (round % 2 === 1) await grower.declare({ channels: [{ name: orderChannel, kind: 'events', partitions: 16 + round * 8 }], groups: [] })
        }
        await handled.when(
          () => handled.firsts().length === 600,
          () => `${handled.firsts().length} of 600 were handled`,
        )
        handled.assertOrder()
        await drained(b)
      },
    },
    {
      name: 'the whole channel in one line, and no order at all, where a group asks for it',
      async run(rig) {
        const first = await rig.open()
        if (first.facts.partitions === 'fixed') await first.declare({ channels: [{ name: orderChannel, kind: 'events', partitions: 1 }], groups: [] })
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const [line, free] = [new Handled(), new Handled()]
        b.on(
          Placed,
          async (data, context) => {
            await new Promise((resolve) => setImmediate(resolve))
            line.note(data, context)
          },
          { group: 'line', order: 'channel' },
        )
        let inside = 0
        let most = 0
        b.on(
          Placed,
          async (data, context) => {
            inside++
            most = Math.max(most, inside)
            await new Promise((resolve) => setTimeout(resolve, 5))
            inside--
            free.note(data, context)
          },
          { group: 'free', order: 'none', concurrency: 8 },
        )
        await b.start()
        await a.publishMany(Placed, items(40, 1))
        await line.until(40)
        await free.until(40)
        assert.deepEqual(
          line.numbers(),
          Array.from({ length: 40 }, (_, n) => n),
        )
        assert.ok(most > 1 && most <= 8, `up to 8 at once without order, seen ${most}`)
      },
    },
    {
      name: 'two versions of a contract side by side under load: each consumer reads both, in order',
      timeoutMs: 60_000,
      async run(rig) {
        const V1: EventContract<{ n: number; key: string; total: number }> = event('shop.order.placed', typed(), { key: (item) => item.key })
        const V2: EventContract<{ n: number; key: string; cents: number }> = event('shop.order.placed', typed(), {
          key: (item) => item.key,
          version: 2,
          upcast: { 1: (old: { n: number; key: string; total: number }) => ({ n: old.n, key: old.key, cents: old.total * 100 }) },
        })
        const [oldProducer, newProducer, oldConsumer, newConsumer] = [
          await rig.bus('order'),
          await rig.bus('order'),
          await rig.bus('stock'),
          await rig.bus('stock'),
        ]
        const handled = new Handled()
        const wrong: unknown[] = []
        oldConsumer.on(V1, (data, context) => {
          if (data.total !== data.n) wrong.push(data)
          handled.note(data, context)
        })
        newConsumer.on(V2, (data, context) => {
          if (data.cents !== data.n * 100) wrong.push(data)
          handled.note(data, context)
        })
        await Promise.all([oldConsumer.start(), newConsumer.start()])
        // Each key has one producer, so its order is defined.
        for (let n = 0; n < 400; n++) {
          const key = `k${n % 20}`
          if (n % 20 < 10) await oldProducer.publish(V1, { n, key, total: n })
          else await newProducer.publish(V2, { n, key, cents: n * 100 })
        }
        // The old consumer holds what is too new for it; when it leaves, the new one takes over.
        await handled.when(
          () => handled.firsts().length >= 200,
          () => `${handled.firsts().length} of 200 were handled`,
        )
        await oldConsumer.stop()
        await handled.when(
          () => handled.firsts().length === 400,
          () => `${handled.firsts().length} of 400 were handled`,
        )
        await drained(newConsumer)
        handled.assertOrder()
        assert.deepEqual(wrong, [])
      },
    },
    {
      name: 'concurrency is bounded over all processes of the group',
      needs: (facts) => (facts.groupConcurrency ? undefined : 'concurrency is bounded per process only'),
      async refused(rig) {
        const b = await rig.bus('stock')
        b.on(Placed, () => {}, { concurrency: 2, concurrencyScope: 'group' })
        await assert.rejects(b.start(), { code: 'GUARANTEE_UNAVAILABLE' })
      },
      async run(rig) {
        const [a, b, c] = [await rig.bus('order'), await rig.bus('stock'), await rig.bus('stock')]
        const handled = new Handled()
        let inside = 0
        let most = 0
        for (const bus of [b, c]) {
          bus.on(
            Placed,
            async (data, context) => {
              inside++
              most = Math.max(most, inside)
              await new Promise((resolve) => setTimeout(resolve, 2))
              inside--
              handled.note(data, context)
            },
            { concurrency: 3, concurrencyScope: 'group' },
          )
          await bus.start()
        }
        await a.publishMany(Placed, items(60, 20))
        await handled.until(60)
        assert.ok(most <= 3, `at most 3 at once, seen ${most}`)
      },
    },
  ],
}

/** A producer and two consumers over a transport that goes wrong by a seed. */
async function underChaos(rig: Rig, options: ChaosOptions): Promise<void> {
  const chaos = chaosTransport(rig.place.factory, options)
  const [a, b, c] = [
    await rig.bus('order', { transports: [chaos] }),
    await rig.bus('stock', { transports: [chaos] }),
    await rig.bus('stock', { transports: [chaos] }),
  ]
  const handled = new Handled()
  for (const bus of [b, c]) {
    bus.on(Placed, async (data, context) => {
      await new Promise((resolve) => setImmediate(resolve))
      handled.note(data, context)
    })
    await bus.start()
  }
  for (let round = 0; round < 8; round++) {
    const calls = Array.from({ length: 5 }, (_, i) => a.publishMany(Placed, items(20, 10, round * 100 + i * 20) as { data: Item }[]))
    await Promise.all(calls)
  }
  await handled.when(
    () => handled.firsts().length === 800,
    () => `${handled.firsts().length} of 800 were handled`,
  )
  await eventually(
    () => b.inspect(),
    (rows) => rows.every((row) => row.backlog === 0),
    'no backlog',
  )
  handled.assertOrder()
  const { duplicates, reordered, unknown, lostSettlements } = chaos.counts
  assert.ok(duplicates + reordered + unknown + lostSettlements > 10, 'something went wrong on the way')
  // Without lost confirms or settlements every message is handled once.
  if (unknown === 0 && lostSettlements === 0) assert.equal(handled.count, 800)
}
