import assert from 'node:assert/strict'
import { tamper } from '../chaos/index.ts'
import { Handled } from '../probe/handled.ts'
import { eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { drained } from './bus-messages.ts'
import { items, Placed, Ship } from './contracts.ts'

/** Starting, stopping, pausing, looking. */
export const busLife: Subject = {
  name: 'life of a bus',
  cases: [
    {
      name: 'stop drains: what runs finishes and is settled, the rest is released at once, nothing is lost or doubled',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const first = new Handled()
        let finished = 0
        b.on(
          Placed,
          async (data, context) => {
            first.note(data, context)
            await new Promise((resolve) => setTimeout(resolve, 30))
            finished++
          },
          { concurrency: 4 },
        )
        await b.start()
        await a.publishMany(Placed, items(100, 20))
        await first.until(6)
        await b.stop({ deadlineMs: 5_000 })
        assert.equal(finished, first.count, 'what had begun was finished')
        assert.ok(finished < 100)
        const startMs = performance.now()
        const c = await rig.bus('stock')
        const second = new Handled()
        c.on(Placed, (data, context) => second.note(data, context))
        await c.start()
        await second.until(100 - finished)
        assert.ok(performance.now() - startMs < 5_000, 'nobody waited for a lease')
        await drained(c)
        assert.equal(new Set([...first.numbers(), ...second.numbers()]).size, 100)
        assert.equal(first.count + second.count, 100)
        await assert.rejects(b.publish(Placed, { n: 1 }), { code: 'BUS_STOPPED' })
      },
    },
    {
      name: 'stop at its deadline: the signal aborts, the message is released and comes to another',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const started = new Handled()
        let aborted = false
        b.on(Placed, (data, context) => {
          started.note(data, context)
          context.signal.addEventListener('abort', () => {
            aborted = true
          })
          return new Promise(() => {})
        })
        await b.start()
        await a.publish(Placed, { n: 0, key: 'k' })
        await started.until(1)
        const report = await b.stop({ deadlineMs: 50 })
        assert.ok(aborted)
        assert.equal(report.released, 1)
        const c = await rig.bus('stock')
        const again = new Handled()
        c.on(Placed, (data, context) => again.note(data, context))
        await c.start()
        await again.until(1)
        assert.equal(again.all[0]?.attempt, 1, 'a released delivery is no attempt')
      },
    },
    {
      name: 'every message is handled once over 20 restarts of its consumer, in order',
      timeoutMs: 60_000,
      async run(rig) {
        const a = await rig.bus('order')
        const handled = new Handled()
        for (let round = 0; round < 20; round++) {
          await a.publishMany(Placed, items(50, 10, round * 50))
          const bus = await rig.bus('stock')
          bus.on(Placed, (data, context) => handled.note(data, context))
          await bus.start()
          await handled.when(
            () => handled.firsts().length >= round * 50 + 25,
            () => 'progress in each round',
          )
          await bus.stop()
        }
        const last = await rig.bus('stock')
        last.on(Placed, (data, context) => handled.note(data, context))
        await last.start()
        await handled.when(
          () => handled.firsts().length === 1_000,
          () => `${handled.firsts().length} of 1000 were handled`,
        )
        await drained(last)
        handled.assertOrder()
        assert.equal(handled.count, 1_000)
      },
    },
    {
      name: 'fan-out to groups, two instances of each: every group once',
      async run(rig) {
        const a = await rig.bus('order')
        const byGroup = new Map<string, Handled>()
        for (const group of ['stock', 'mail', 'points']) {
          const handled = new Handled()
          byGroup.set(group, handled)
          for (let i = 0; i < 2; i++) {
            const bus = await rig.bus(group)
            bus.on(Placed, (data, context) => handled.note(data, context))
            await bus.start()
          }
        }
        await a.publishMany(Placed, items(100, 20))
        for (const handled of byGroup.values()) {
          await handled.until(100)
          handled.assertOrder()
        }
        await drained(a)
        for (const handled of byGroup.values()) assert.equal(handled.count, 100)
      },
    },
    {
      name: 'broadcast: every instance hears it, from now on',
      needs: (facts) => (facts.broadcast ? undefined : 'it has no group an instance'),
      async refused(rig) {
        const b = await rig.bus('stock')
        b.on(Placed, () => {}, { broadcast: true })
        await assert.rejects(b.start(), { code: 'GUARANTEE_UNAVAILABLE' })
      },
      async run(rig) {
        const a = await rig.bus('order')
        await a.publish(Placed, { n: -1 })
        const all = []
        for (let i = 0; i < 3; i++) {
          const bus = await rig.bus('stock')
          const handled = new Handled()
          bus.on(Placed, (data, context) => handled.note(data, context), { broadcast: true })
          await bus.start()
          all.push(handled)
        }
        await a.publishMany(Placed, items(10, 2))
        for (const handled of all) {
          await handled.until(10)
          assert.deepEqual(
            handled.numbers().toSorted((x, y) => x - y),
            Array.from({ length: 10 }, (_, n) => n),
          )
        }
      },
    },
    {
      name: 'pause and resume a group; its backlog grows and is exact',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context))
        await b.start()
        await a.publish(Placed, { n: 0 })
        await handled.until(1)
        await a.pause(Placed, { group: 'stock' })
        await eventually(
          () => b.inspect(),
          (rows) => rows[0]?.paused === true,
          'the pause',
        )
        await new Promise((resolve) => setTimeout(resolve, 50))
        await a.publishMany(Placed, items(10, 2, 1))
        await eventually(
          () => a.inspect(),
          (rows) => rows[0]?.backlog === 10,
          'a backlog of ten',
        )
        assert.equal(handled.count, 1)
        await a.resume(Placed, { group: 'stock' })
        await handled.until(11)
        await drained(a)
        handled.assertOrder()
      },
    },
    {
      name: 'replay: what was handled comes again, to this group only',
      needs: (facts) => (facts.replay ? undefined : 'accepted messages are gone'),
      async refused(rig) {
        const b = await rig.bus('stock')
        b.on(Placed, () => {})
        await b.start()
        await assert.rejects(b.replay(Placed), { code: 'UNSUPPORTED' })
      },
      async run(rig) {
        const [a, b, c] = [await rig.bus('order'), await rig.bus('stock'), await rig.bus('mail')]
        const [stock, mail] = [new Handled(), new Handled()]
        b.on(Placed, (data, context) => stock.note(data, context))
        c.on(Placed, (data, context) => mail.note(data, context))
        await Promise.all([b.start(), c.start()])
        await a.publishMany(Placed, items(20, 4))
        await stock.until(20)
        await mail.until(20)
        await drained(a)
        assert.equal(await b.replay(Placed), 20)
        await stock.until(40)
        await drained(a)
        assert.equal(mail.count, 20)
        for (let k = 0; k < 4; k++) {
          const again = stock.numbers(`k${k}`).slice(5)
          assert.deepEqual(
            again,
            again.toSorted((x, y) => x - y),
          )
        }
      },
    },
    {
      name: 'a late group gets what is kept, or only what is new, as it asks',
      needs: (facts) => (facts.lateGroup === 'start' ? undefined : 'a late group cannot start at the beginning'),
      async run(rig) {
        const a = await rig.bus('order')
        await a.publishMany(Placed, items(5, 1))
        const [all, fresh] = [new Handled(), new Handled()]
        const [b, c] = [await rig.bus('late'), await rig.bus('fresh')]
        b.on(Placed, (data, context) => all.note(data, context))
        c.on(Placed, (data, context) => fresh.note(data, context), { from: 'end' })
        await Promise.all([b.start(), c.start()])
        await a.publishMany(Placed, items(5, 1, 5))
        await all.until(10)
        await fresh.until(5)
        assert.deepEqual(all.numbers(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        assert.deepEqual(fresh.numbers(), [5, 6, 7, 8, 9])
      },
    },
    {
      name: 'explain states each route, and start refuses what a lesser transport cannot give, naming the option',
      async run(rig) {
        const b = await rig.bus('stock')
        b.on(Placed, () => {})
        b.handle(Ship, () => {})
        await b.start()
        const { routes } = b.explain()
        assert.deepEqual(routes.map((route) => route.channel).toSorted(), ['shop.order', 'shop.ship'])
        assert.ok(String(b.explain()).length > 100)
        const lesser = tamper(rig.place.factory, {
          transport: (sound) => ({ facts: { ...sound.facts, parkingLot: 'none', broadcast: false, keyOrder: 'none', groupConcurrency: false } }),
        })
        for (const options of [{ onDeadLetter: 'park' }, { broadcast: true }, { order: 'key' }, { concurrencyScope: 'group' }] as const) {
          const bus = await rig.bus('stock2', { transports: [lesser] })
          bus.on(Placed, () => {}, options)
          await assert.rejects(
            bus.start(),
            (error: Error & { code?: string; fix?: string }) => error.code === 'GUARANTEE_UNAVAILABLE' && (error.fix ?? '').length > 10,
            JSON.stringify(options),
          )
        }
      },
    },
    {
      name: '5,000 messages to 20 groups of the bus',
      messages: { whole: 5_000, short: 1_000 },
      timeoutMs: 60_000,
      async run(rig, messages) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const all = Array.from({ length: 20 }, () => new Handled())
        for (const [i, handled] of all.entries()) b.on(Placed, (data, context) => handled.note(data, context), { group: `g${i}`, concurrency: 64 })
        await b.start()
        for (let i = 0; i < messages; i += 500) await a.publishMany(Placed, items(500, 50, i))
        for (const handled of all) {
          await handled.until(messages)
          handled.assertOrder()
        }
        await drained(b)
      },
    },
  ],
}
