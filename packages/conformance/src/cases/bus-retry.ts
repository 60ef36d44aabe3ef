import assert from 'node:assert/strict'
import { type BatchEntry, Reject, RetryAfter } from '@sluice/core'
import { Handled } from '../probe/handled.ts'
import { eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { drained } from './bus-messages.ts'
import { type Item, items, Placed } from './contracts.ts'

const quick = { minDelayMs: 5, maxDelayMs: 20 }

/** Retries, dead letters, parking, redrive. */
export const busRetry: Subject = {
  name: 'retry',
  cases: [
    {
      name: 'short: the lane is held, in order; other keys go on meanwhile',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (data.key === 'k0' && data.n % 2 === 0 && context.attempt < 3) throw new Error('not yet')
          },
          { retry: { attempts: 5, minDelayMs: 30, maxDelayMs: 30 } },
        )
        await b.start()
        await a.publishMany(Placed, items(40, 4))
        await handled.when(
          () => handled.firsts().length === 40,
          () => `${handled.firsts().length} of 40 were handled`,
        )
        await drained(b)
        handled.assertOrder()
        // Each even one of k0 ran three times in a row before its successor.
        const expected = Array.from({ length: 10 }, (_, i) => i * 4).flatMap((n) => (n % 2 === 0 ? [n, n, n] : [n]))
        assert.deepEqual(handled.numbers('k0'), expected)
        const lastOther = handled.all.findLastIndex((each) => each.key !== 'k0')
        assert.ok(lastOther < handled.all.findIndex((each) => (each.data as Item).n === 8), 'the others did not wait for k0')
      },
    },
    {
      name: 'long: the lane is suspended to the parking lot, in order; its successors and new arrivals queue behind it',
      needs: (facts) => (facts.parkingLot === 'none' ? 'it has no parking lot' : undefined),
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock', { holdMaxMs: 20 })]
        const handled = new Handled()
        let suspended = 0
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (data.n === 0 && context.attempt < 3) throw new Error('not yet')
          },
          { retry: { attempts: 5, minDelayMs: 150, maxDelayMs: 150 } },
        )
        await b.start()
        await a.publishMany(Placed, items(30, 3))
        await eventually(
          async () => {
            suspended = Math.max(suspended, (await b.inspect())[0]?.suspendedLanes ?? 0)
            return suspended
          },
          (lanes) => lanes > 0,
          'a suspended lane',
        )
        await a.publishMany(Placed, items(30, 3, 30))
        await handled.when(
          () => handled.firsts().length === 60,
          () => `${handled.firsts().length} of 60 were handled`,
        )
        await drained(b)
        handled.assertOrder()
        assert.deepEqual(handled.numbers('k0').slice(0, 4), [0, 0, 0, 3])
        await eventually(
          () => b.inspect(),
          (rows) => rows[0]?.suspendedLanes === 0,
          'the lane to be open again',
        )
      },
    },
    {
      name: 'attempts and back-off survive a restart',
      needs: (facts) => (facts.attempts === 'none' ? 'attempts are forgotten' : undefined),
      async run(rig) {
        const a = await rig.bus('order')
        const handled = new Handled()
        const make = async (): Promise<Awaited<ReturnType<typeof rig.bus>>> => {
          const bus = await rig.bus('stock')
          bus.on(
            Placed,
            (data, context) => {
              handled.note(data, context)
              throw new Error('never')
            },
            { retry: { attempts: 3, minDelayMs: 400, maxDelayMs: 400 } },
          )
          await bus.start()
          return bus
        }
        const first = await make()
        await a.publish(Placed, { n: 0, key: 'k' })
        await handled.until(1)
        // The failure must be known before the stop, or there is nothing to survive.
        await new Promise((resolve) => setTimeout(resolve, 50))
        await first.stop()
        const second = await make()
        await eventually(
          () => second.deadLetters(Placed).list(),
          (list) => list.length === 1,
          'it to be given up',
        )
        assert.deepEqual(
          handled.all.map((each) => each.attempt),
          [1, 2, 3],
        )
        const gapMs = (handled.all[1]?.startedAtMs ?? 0) - (handled.all[0]?.startedAtMs ?? 0)
        assert.ok(gapMs > 150, `the back-off was kept: ${gapMs.toFixed(0)} ms`)
      },
    },
    {
      name: 'a poison message at the head of its lane, continue: dead-lettered with its reason, the lane goes on',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (data.n === 0) throw new TypeError('cannot read the total')
          },
          { retry: { attempts: 3, ...quick }, onDeadLetter: 'continue' },
        )
        await b.start()
        await a.publishMany(Placed, items(9, 3))
        await handled.when(
          () => handled.firsts().length === 9,
          () => 'all of them',
        )
        await drained(b)
        const [letter] = await b.deadLetters(Placed).list()
        assert.ok(letter)
        assert.deepEqual(letter.data, { n: 0, key: 'k0' })
        assert.deepEqual([letter.reason.attempts, letter.parkedBehind, letter.redrives], [3, 0, 0])
        assert.ok(letter.reason.message.includes('cannot read the total') && letter.reason.stack?.includes('TypeError'))
        assert.deepEqual([letter.reason.service, letter.message.type, letter.message.source], ['stock', 'shop.order.placed', 'order'])
        assert.deepEqual(handled.numbers('k0'), [0, 0, 0, 3, 6])
      },
    },
    {
      name: 'park: the successors wait in order; redrive brings the dead one first, then them; nothing twice',
      needs: (facts) => (facts.parkingLot === 'none' ? 'it has no parking lot' : undefined),
      async refused(rig) {
        const b = await rig.bus('stock')
        b.on(Placed, () => {}, { onDeadLetter: 'park' })
        await assert.rejects(b.start(), { code: 'GUARANTEE_UNAVAILABLE' })
      },
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        let healed = false
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (data.n === 3 && !healed) throw new Error('not yet')
          },
          { retry: { attempts: 2, ...quick }, onDeadLetter: 'park' },
        )
        await b.start()
        await a.publishMany(Placed, items(15, 3))
        await eventually(
          () => b.inspect(),
          (rows) => rows[0]?.parkedLanes === 1 && rows[0].backlog === 3,
          'the lane to be parked',
        )
        await a.publishMany(Placed, items(6, 3, 15))
        await eventually(
          () => b.deadLetters(Placed).list(),
          (list) => list[0]?.parkedBehind === 5,
          'five parked behind it',
        )
        assert.deepEqual(handled.numbers('k0'), [0, 3, 3])
        healed = true
        assert.equal(await b.deadLetters(Placed).redrive('all'), 1)
        await handled.when(
          () => handled.firsts('k0').length === 7,
          () => `the lane to be drained: ${handled.numbers('k0')}`,
        )
        await drained(b)
        assert.deepEqual(handled.numbers('k0'), [0, 3, 3, 3, 6, 9, 12, 15, 18])
        await a.publish(Placed, { n: 21, key: 'k0' })
        await handled.when(
          () => handled.numbers('k0').at(-1) === 21,
          () => 'the lane to be open again',
        )
        assert.equal((await b.inspect())[0]?.parkedLanes, 0)
      },
    },
    {
      name: 'park: discard lets the successors go on; a parked lane stays parked over a restart',
      needs: (facts) => (facts.parkingLot === 'none' ? 'it has no parking lot' : undefined),
      async run(rig) {
        const a = await rig.bus('order')
        const handled = new Handled()
        const make = async (): Promise<Awaited<ReturnType<typeof rig.bus>>> => {
          const bus = await rig.bus('stock')
          bus.on(
            Placed,
            (data, context) => {
              handled.note(data, context)
              if (data.n === 0) throw new Error('never')
            },
            { retry: { attempts: 1 }, onDeadLetter: 'park' },
          )
          await bus.start()
          return bus
        }
        const first = await make()
        await a.publishMany(Placed, items(4, 1))
        await eventually(
          () => first.deadLetters(Placed).list(),
          (list) => list[0]?.parkedBehind === 3,
          'three parked behind it',
        )
        await first.stop()
        const second = await make()
        await a.publish(Placed, { n: 4, key: 'k0' })
        await eventually(
          () => second.deadLetters(Placed).list(),
          (list) => list[0]?.parkedBehind === 4,
          'the new one to go behind them',
        )
        assert.deepEqual(handled.numbers(), [0])
        assert.equal(await second.deadLetters(Placed).discard('all'), 1)
        await handled.until(5)
        assert.deepEqual(handled.numbers(), [0, 1, 2, 3, 4])
        await drained(second)
      },
    },
    {
      name: 'park and redrive, park and discard, 40 times at once after the other: no lane is ever stuck',
      needs: (facts) => (facts.parkingLot === 'none' ? 'it has no parking lot' : undefined),
      timeoutMs: 60_000,
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        const healed = new Set<number>()
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (data.n % 3 === 0 && !healed.has(data.n)) throw new Reject('not yet')
          },
          { onDeadLetter: 'park', killSwitch: false },
        )
        await b.start()
        for (let round = 0; round < 40; round++) {
          const first = round * 3
          await a.publishMany(Placed, items(3, 1, first))
          await eventually(
            () => b.deadLetters(Placed).list(),
            (list) => list[0]?.parkedBehind === 2,
            `two parked in round ${round}`,
          )
          healed.add(first)
          const before = handled.count
          const letters = b.deadLetters(Placed)
          assert.equal(round % 2 === 0 ? await letters.redrive('all') : await letters.discard('all'), 1)
          await handled.until(before + (round % 2 === 0 ? 3 : 2))
        }
        await drained(b)
        handled.assertOrder()
      },
    },
    {
      name: 'Reject: dead at once; when(error) false: dead at once; RetryAfter: comes again without an attempt',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (data.n === 0) throw new Reject('not ours')
            if (data.n === 1) throw new RangeError('hopeless')
            if (data.n === 2 && context.deliveries < 4) throw new RetryAfter(10)
          },
          { retry: { attempts: 5, ...quick, when: (error) => !(error instanceof RangeError) } },
        )
        await b.start()
        for (let n = 0; n < 3; n++) await a.publish(Placed, { n, key: `k${n}` })
        await handled.when(
          () => handled.numbers('k2').length === 4,
          () => `${handled.numbers('k2').length} of 4 runs`,
        )
        await eventually(
          () => b.deadLetters(Placed).list(),
          (list) => list.length === 2,
          'two dead letters',
        )
        assert.deepEqual([handled.numbers('k0').length, handled.numbers('k1').length], [1, 1])
        assert.deepEqual(
          handled.all.filter((each) => each.key === 'k2').map((each) => each.attempt),
          [1, 1, 1, 1],
        )
        await drained(b)
      },
    },
    {
      name: 'a handler that takes too long fails with HANDLER_TIMEOUT, its signal aborted',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        let aborted = false
        b.on(
          Placed,
          (_, context) =>
            new Promise<void>((resolve) => {
              context.signal.addEventListener('abort', () => {
                aborted = true
                resolve()
              })
            }),
          { timeoutMs: 30, retry: { attempts: 1 } },
        )
        await b.start()
        await a.publish(Placed, { n: 0 })
        const [letter] = await eventually(
          () => b.deadLetters(Placed).list(),
          (list) => list.length === 1,
          'it to be given up',
        )
        assert.equal(letter?.reason.code, 'HANDLER_TIMEOUT')
        assert.ok(aborted)
      },
    },
    {
      name: 'a batch with one bad entry: it alone is retried and dead-lettered',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const seen = new Map<number, number>()
        let largest = 0
        b.on(
          Placed,
          (entries: readonly BatchEntry<typeof Placed>[]) => {
            largest = Math.max(largest, entries.length)
            for (const entry of entries) {
              seen.set(entry.data.n, (seen.get(entry.data.n) ?? 0) + 1)
              if (entry.data.n === 7) entry.fail(new Error('bad entry'))
            }
          },
          { batch: { size: 10, waitMs: 20 }, retry: { attempts: 3, ...quick } },
        )
        await b.start()
        await a.publishMany(Placed, items(50, 50))
        await eventually(
          () => b.deadLetters(Placed).list(),
          (list) => list.length === 1,
          'the bad one to be given up',
        )
        await drained(b)
        assert.ok(largest > 1, 'there were batches')
        for (let n = 0; n < 50; n++) assert.equal(seen.get(n), n === 7 ? 3 : 1)
      },
    },
    {
      name: 'batches with several of a lane: in order, and a failure fails the later ones of its lane only',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const done = new Map<string, number[]>()
        let failures = 2
        b.on(
          Placed,
          (entries: readonly BatchEntry<typeof Placed>[]) => {
            const broken = new Set<string>()
            for (const entry of entries) {
              const key = entry.key ?? ''
              if (broken.has(key)) continue
              if (entry.data.n % 10 === 4 && failures > 0) {
                failures--
                broken.add(key)
                entry.fail(new Error('not yet'))
              } else done.set(key, [...(done.get(key) ?? []), entry.data.n])
            }
          },
          { batch: { size: 20, waitMs: 10, perLane: 'many' }, retry: { attempts: 5, ...quick } },
        )
        await b.start()
        await a.publishMany(Placed, items(60, 3))
        await eventually(
          async () => [...done.values()].reduce((sum, list) => sum + list.length, 0),
          (count) => count >= 60,
          'all of them',
        )
        await drained(b)
        for (const list of done.values())
          assert.deepEqual(
            list,
            list.toSorted((x, y) => x - y),
          )
        assert.equal([...done.values()].flat().length, 60)
      },
    },
    {
      name: 'redrive of one, of a filter, of all; the lineage is kept',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        let healed = false
        const handled = new Handled()
        b.on(
          Placed,
          (data, context) => {
            handled.note(data, context)
            if (!healed) throw data.n % 2 === 0 ? new TypeError('even') : new RangeError('odd')
          },
          { retry: { attempts: 1 }, killSwitch: false },
        )
        await b.start()
        await a.publishMany(Placed, items(6, 6))
        const letters = b.deadLetters(Placed)
        const list = await eventually(
          () => letters.list(),
          (all) => all.length === 6,
          'six dead letters',
        )
        assert.equal(new Set(list.map((letter) => letter.reason.fingerprint)).size, 2)
        const first = list[0] as (typeof list)[number]
        assert.equal(await letters.redrive(first), 1)
        const again = await eventually(
          () => letters.list(),
          (all) => all.length === 6 && all.some((letter) => letter.redrives === 1),
          'it to fail again',
        )
        assert.equal(again.find((letter) => letter.redrives === 1)?.message.id, first.message.id)
        healed = true
        assert.equal(await letters.redrive({ fingerprint: first.reason.fingerprint }), 3)
        assert.equal(await letters.redrive('all'), 3)
        await handled.until(13)
        await drained(b)
        assert.deepEqual(await letters.list(), [])
      },
    },
  ],
}
