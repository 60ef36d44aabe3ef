import assert from 'node:assert/strict'
import type { Delivery, TransportFacts } from '@sluice/core/transport'
import { bodies, eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message } from '../suite/rig.ts'

const delays = (facts: TransportFacts): string | undefined => (facts.delayedSend.delayMsMax >= 60_000 ? undefined : 'it cannot send with a delay')
const schedules = (facts: TransportFacts): string | undefined => (facts.schedules ? undefined : 'it keeps no schedules')

/** Delays, expiry, schedules. */
export const time: Subject = {
  name: 'time',
  cases: [
    {
      name: 'delay: not before it is due, then at once, in the order of due times; not in the backlog before',
      needs: delays,
      timeoutMs: 90_000,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const startMs = rig.clock.nowMs()
        await transport.send([message()])
        await probe.drain(1)
        const nowMs = rig.clock.nowMs()
        // A starved machine needs a while for all that comes before the first of them is due.
        const tripMs = nowMs - startMs
        const [soonMs, nextMs, lastMs] = [1, 2, 2.5].map((factor) => Math.round(factor * (150 + 4 * tripMs))) as [number, number, number]
        const later = (ms: number, key?: string): ReturnType<typeof message> =>
          message({ body: String(ms), notBeforeMs: nowMs + ms, ...(key === undefined ? {} : { key }) })
        const keyed = rig.facts.delayedSend.keyed ? 'a' : undefined
        await transport.send([later(lastMs), later(soonMs), later(nextMs, keyed), message({ body: 'now' })])
        assert.deepEqual(bodies(await probe.drain(1)), ['now'])
        assert.equal((await transport.admin.channels())[0]?.scheduled, 3)
        assert.equal((await transport.admin.groups())[0]?.backlog, 0)
        const came: Delivery[] = []
        while (came.length < 3) {
          const [delivery] = await probe.drain(1)
          assert.ok(delivery)
          came.push(delivery)
          const lateMs = rig.clock.nowMs() - nowMs - Number(delivery.envelope.body)
          assert.ok(lateMs >= 0, `${-lateMs} ms too early`)
          assert.ok(lateMs < 1_500 + 4 * tripMs, `${lateMs} ms late`)
        }
        // Two that are due at one look of a starved process may come by partition.
        const stored = came.sort((x, y) => Number(x.envelope.body) - Number(y.envelope.body))
        assert.deepEqual(bodies(stored), [soonMs, nextMs, lastMs].map(String))
        stored.forEach(({ storedAtMs }, n) => assert.ok(n === 0 || storedAtMs >= (stored[n - 1] as Delivery).storedAtMs))
      },
    },
    {
      name: 'delayed messages survive a restart and are not lost when their time passes meanwhile',
      needs: delays,
      async run(rig) {
        const first = await rig.channel({ groups: ['g'] })
        const nowMs = rig.clock.nowMs()
        await first.send([message({ body: 'a', notBeforeMs: nowMs + 40 }), message({ body: 'b', notBeforeMs: nowMs + 500 })])
        await rig.close(first)
        await new Promise((resolve) => setTimeout(resolve, 60))
        const probe = await rig.join(await rig.open())
        // Where both are due by then, they may come from two partitions in either order.
        assert.deepEqual(bodies(await probe.drain(2)).toSorted(), ['a', 'b'])
        assert.ok(rig.clock.nowMs() >= nowMs + 500)
      },
    },
    {
      name: 'a delayed message can be cancelled until it is due, once',
      needs: delays,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const nowMs = rig.clock.nowMs()
        // Late enough that a starved machine cancels in time.
        const notBeforeMs = nowMs + 2_000
        await transport.send([message({ id: 'x', notBeforeMs }), message({ id: 'y', notBeforeMs, body: 'y' })])
        assert.deepEqual(
          [await transport.admin.cancel('c', 'x'), await transport.admin.cancel('c', 'x'), await transport.admin.cancel('c', 'never')],
          [true, false, false],
        )
        assert.deepEqual(bodies(await probe.drain(1)), ['y'])
        assert.equal(await transport.admin.cancel('c', 'y'), false)
        assert.equal((await transport.admin.channels())[0]?.scheduled, 0)
      },
    },
    {
      name: 'a delayed message that is cancelled leaves its deduplication key free',
      needs: (facts) => delays(facts) ?? (facts.deduplicationMsMax >= 60_000 ? undefined : 'there is no deduplication window'),
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const deduplicate = { key: 'once', windowMs: 60_000 }
        const other = { key: 'other', windowMs: 60_000 }
        const notBeforeMs = rig.clock.nowMs() + 3_600_000
        await transport.send([message({ id: 'x', deduplicate, notBeforeMs }), message({ id: 'y', deduplicate: other, notBeforeMs })])
        assert.equal(await transport.admin.cancel('c', 'x'), true)
        const { duplicates } = await transport.send([message({ id: 'again', body: 'again', deduplicate }), message({ id: 'z', body: 'z', deduplicate: other })])
        assert.deepEqual([...(duplicates ?? [])], [[1, 'y']])
        assert.deepEqual(bodies(await probe.drain(1)), ['again'])
      },
    },
    {
      name: 'expiry travels with the message; a delayed one may expire before it is due',
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const expirytime = new Date(rig.clock.nowMs() + 3_600_000).toISOString()
        await transport.send([message({ envelope: { expirytime }, expiresAtMs: Date.parse(expirytime) })])
        assert.equal((await probe.drain(1))[0]?.envelope.expirytime, expirytime)
      },
    },
    {
      name: 'schedules: kept, found again, replaced, removed; a restart does not move what is due',
      needs: schedules,
      async refused(rig) {
        const transport = await rig.channel({ kind: 'commands', groups: ['c'] })
        await assert.rejects(transport.admin.putSchedule({ name: 's', message: message(), cron: '* * * * *', timeZone: 'UTC', nextAtMs: 1 }), {
          code: 'UNSUPPORTED',
        })
      },
      async run(rig) {
        const transport = await rig.channel({ kind: 'commands', groups: ['c'] })
        const record = { name: 'nightly', message: message({ body: 'tick', headers: { h: 'ü' } }), cron: '0 3 * * *', timeZone: 'UTC', nextAtMs: 1_000 }
        assert.equal((await transport.admin.putSchedule(record)).nextAtMs, 1_000)
        const other = await rig.open()
        assert.equal((await other.admin.putSchedule({ ...record, nextAtMs: 9_000 })).nextAtMs, 1_000, 'the same cron keeps its next time')
        assert.equal((await other.admin.putSchedule({ ...record, cron: '0 4 * * *', nextAtMs: 9_000 })).nextAtMs, 9_000, 'another cron has another')
        const kept = await transport.admin.schedules()
        assert.equal(kept.length, 1)
        assert.deepEqual([kept[0]?.name, kept[0]?.cron, kept[0]?.timeZone, kept[0]?.nextAtMs], ['nightly', '0 4 * * *', 'UTC', 9_000])
        assert.deepEqual({ ...kept[0]?.message.envelope }, { ...record.message.envelope })
        assert.deepEqual([await transport.admin.removeSchedule('nightly'), await transport.admin.removeSchedule('nightly')], [true, false])
        assert.deepEqual(await other.admin.schedules(), [])
      },
    },
    {
      name: 'schedules: of many who fire one at once, one does',
      needs: schedules,
      async run(rig) {
        const transport = await rig.channel({ kind: 'commands', groups: ['c'] })
        const all = [transport, await rig.open(), await rig.open()]
        await transport.admin.putSchedule({ name: 's', message: message(), cron: '* * * * *', timeZone: 'UTC', nextAtMs: 1_000 })
        for (let i = 1; i <= 5; i++) {
          const fired = await Promise.all(all.map((each) => each.admin.fireSchedule('s', i * 1_000, message({ body: String(i) }), (i + 1) * 1_000)))
          assert.equal(fired.filter(Boolean).length, 1)
        }
        assert.equal(await transport.admin.fireSchedule('s', 1_000, message(), 7_000), false)
        assert.equal(await transport.admin.fireSchedule('unknown', 1_000, message(), 7_000), false)
        const probe = await rig.join(transport, { group: 'c', kind: 'commands' })
        assert.deepEqual(bodies(await probe.drain(5)).toSorted(), ['1', '2', '3', '4', '5'])
        await eventually(
          () => transport.admin.groups(),
          (list) => list[0]?.backlog === 0,
          'nothing more',
        )
      },
    },
  ],
}
