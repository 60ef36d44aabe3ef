import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { bodies, eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message, numbered } from '../suite/rig.ts'

/** Figures, browsing, replay, purge, retention. */
export const administration: Subject = {
  name: 'administration',
  cases: [
    {
      name: 'backlog, oldest age and what is in flight',
      needs: (facts) => (facts.backlog === 'exact' ? undefined : `backlog figures are ${facts.backlog}`),
      async run(rig) {
        const transport = await rig.channel({ groups: ['g', 'idle'] })
        const row = async (group: string): Promise<Record<string, unknown>> => {
          const { oldestAgeMs: _, ...rest } = (await transport.admin.groups('c')).find((each) => each.group === group) as { oldestAgeMs: number; group: string }
          return rest
        }
        const zero = { channel: 'c', backlog: 0, inFlight: 0, deadLetters: 0, parkedLanes: 0, suspendedLanes: 0, consumers: 0, paused: false }
        assert.deepEqual(await row('g'), { ...zero, group: 'g' })
        assert.equal((await transport.admin.groups('c'))[0]?.oldestAgeMs, 0)
        const sentAtMs = rig.clock.nowMs()
        await transport.send(numbered(10, ['a', undefined]))
        const probe = await rig.join(transport, { windowCount: 4 })
        const taken = await probe.take(4)
        assert.deepEqual(await row('idle'), { ...zero, group: 'idle', backlog: 10 })
        const busy = await row('g')
        assert.deepEqual([busy.backlog, busy.consumers], [10, 1])
        // Who holds what is known to others a little later.
        await eventually(
          () => row('g'),
          ({ inFlight }) => (inFlight as number) >= 4,
          'four in flight',
        )
        await eventually(
          async () => rig.clock.nowMs(),
          (nowMs) => nowMs >= sentAtMs + 30,
          '30 ms',
        )
        const ageMs = (await transport.admin.groups('c')).find((each) => each.group === 'idle')?.oldestAgeMs ?? 0
        assert.ok(ageMs >= 20 && ageMs < 20_000, `${ageMs}`)
        probe.consumer.accept(taken)
        await probe.consumer.flush()
        assert.equal((await row('g')).backlog, 6)
        await probe.drain(6)
        assert.equal((await row('g')).backlog, 0)
        assert.deepEqual(await transport.admin.groups('no-such-channel'), [])
      },
    },
    {
      name: 'channels: what was stored, is kept, and waits',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        await transport.send(numbered(7, ['a']))
        const [status] = await transport.admin.channels()
        assert.deepEqual([status?.channel, status?.kind, status?.stored, status?.kept, status?.unrouted, status?.scheduled], ['c', 'events', 7, 7, 0, 0])
      },
    },
    {
      name: 'browse reads page by page, oldest first, and consumes nothing',
      needs: (facts) => (facts.replay ? undefined : 'a queue cannot be read without consuming it'),
      async refused(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        await assert.rejects(transport.admin.browse('c', { limit: 10 }), { code: 'UNSUPPORTED' })
      },
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        await transport.send(numbered(25, ['a', undefined]))
        const seen: string[] = []
        let after: string | undefined
        do {
          const page = await transport.admin.browse('c', after === undefined ? { limit: 10 } : { after, limit: 10 })
          assert.ok(page.messages.length <= 10)
          seen.push(...page.messages.map((envelope) => String(envelope.body)))
          after = page.next
        } while (after !== undefined)
        assert.deepEqual(
          seen,
          Array.from({ length: 25 }, (_, i) => String(i)),
        )
        assert.equal((await transport.admin.groups())[0]?.backlog, 25)
      },
    },
    {
      name: 'replay: what was accepted comes again, in order, by time; the rest stays as it is',
      needs: (facts) => (facts.replay ? undefined : 'accepted messages are gone'),
      async refused(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        await assert.rejects(transport.admin.replay('c', 'g', undefined, undefined), { code: 'UNSUPPORTED' })
      },
      async run(rig) {
        const transport = await rig.channel()
        const [probe, other] = [await rig.join(transport), await rig.join(transport, { group: 'other' })]
        await transport.send(numbered(4, ['a']))
        await probe.drain(4)
        await other.drain(4)
        const betweenMs = await tick(rig.clock)
        await transport.send(numbered(3, ['a'], 4))
        await probe.drain(3)
        const endMs = await tick(rig.clock)
        await transport.send(numbered(2, ['a'], 7))
        assert.equal(await transport.admin.replay('c', 'g', betweenMs, endMs), 3)
        const again = await probe.drain(5)
        assert.deepEqual(bodies(again), ['4', '5', '6', '7', '8'])
        assert.equal(await transport.admin.replay('c', 'g', undefined, undefined), 9)
        assert.deepEqual(
          bodies(await probe.drain(9)),
          Array.from({ length: 9 }, (_, i) => String(i)),
        )
        assert.deepEqual(bodies(await other.drain(5)), ['4', '5', '6', '7', '8'])
        await other.quiet()
      },
    },
    {
      name: 'replay takes back the dead letters of its time: each comes once, and nothing is left to redrive',
      needs: (facts) => (facts.replay ? undefined : 'accepted messages are gone'),
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(3, ['a', 'b', 'c']))
        const deliveries = await probe.take(3)
        const [dead, ...rest] = deliveries.sort((x, y) => Number(x.envelope.body) - Number(y.envelope.body))
        assert.ok(dead)
        await probe.deadLetter(dead, 'continue')
        probe.consumer.accept(rest)
        await probe.consumer.flush()
        assert.equal(await transport.admin.replay('c', 'g', undefined, undefined), 3)
        assert.deepEqual(bodies(await probe.drain(3)).sort(), ['0', '1', '2'])
        assert.equal(await transport.admin.redrive('c', 'g', {}), 0)
        assert.equal((await transport.admin.groups())[0]?.deadLetters, 0)
        await probe.quiet()
      },
    },
    {
      name: 'replay under a running consumer: what it held cannot be settled any more, and nothing is lost',
      needs: (facts) => (facts.replay ? undefined : 'accepted messages are gone'),
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(6, ['a', 'b']))
        probe.consumer.accept(await probe.take(3))
        await probe.consumer.flush()
        await probe.take(3)
        await transport.admin.replay('c', 'g', undefined, undefined)
        await probe.until(() => probe.lost.length > 0 || probe.lostDeliveries.length > 0, 'the consumer to be told')
        assert.equal((await probe.drain(6)).length, 6)
        assert.equal((await transport.admin.groups())[0]?.backlog, 0)
      },
    },
    {
      name: 'retention trims what every group has accepted, never what one still waits for',
      needs: (facts) => (facts.replay ? undefined : 'nothing is kept anyway'),
      async run(rig) {
        const transport = await rig.channel({ groups: ['slow'], retention: { maxBytes: 100_000 } })
        const quick = await rig.join(transport, { group: 'quick' })
        const body = 'x'.repeat(1_000)
        for (let i = 0; i < 10; i++) {
          await transport.send(Array.from({ length: 100 }, () => message({ body, key: `k${i}` })))
          await quick.drain(100)
        }
        assert.equal((await transport.admin.groups()).find((each) => each.group === 'slow')?.backlog, 1_000)
        const slow = await rig.join(transport, { group: 'slow' })
        await slow.drain(1_000)
        await transport.send(Array.from({ length: 300 }, () => message({ body })))
        await quick.drain(300)
        await slow.drain(300)
        await eventually(
          async () => {
            await transport.send([message({ body })])
            return (await transport.admin.channels())[0]?.kept ?? 0
          },
          (kept) => kept < 700,
          'the log to be trimmed',
        )
      },
    },
    {
      name: 'nothing of a payload, a header or a key is in an error or a report',
      async run(rig) {
        const canary = 'CANARY-7f3a'
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const secret = { body: canary, headers: { h: canary }, key: canary, subject: canary }
        const told: unknown[] = []
        const tooLarge = message({ ...secret, body: canary.padEnd(rig.facts.messageBytesMax + 1) })
        for (const each of [message({ ...secret, channel: 'never-declared' }), tooLarge]) told.push((await transport.send([each])).failures)
        // A call overlaps a failed one of its key until a turn of the event loop is over.
        await new Promise((resolve) => setImmediate(resolve))
        assert.deepEqual((await transport.send([message(secret)])).failures, [])
        const [delivery] = await probe.take(1)
        await probe.consumer.close()
        await transport.close()
        told.push(await transport.send([message(secret)]).catch((error: unknown) => error))
        if (delivery !== undefined) told.push(await probe.deadLetter(delivery, 'continue').catch((error: unknown) => error))
        const text = [...told, ...rig.reports].map((each) => inspect(each, { depth: 9 })).join()
        assert.ok(!text.includes(canary), 'the canary is in what was told')
      },
    },
    {
      name: 'unknown channels and groups are said to be unknown',
      async run(rig) {
        const transport = await rig.channel()
        for (const call of [
          () => transport.admin.purge('c', 'nobody'),
          () => transport.admin.setPaused('c', 'nobody', true),
          () => transport.admin.removeGroup('none', 'g'),
          () => transport.admin.redrive('c', 'nobody', {}),
        ])
          await assert.rejects(call(), { code: 'INVALID_OPTION' })
      },
    },
  ],
}

/** A time that is later than all before it and earlier than all after it. */
async function tick(clock: { nowMs(): number }): Promise<number> {
  const startMs = clock.nowMs()
  await eventually(
    async () => clock.nowMs(),
    (nowMs) => nowMs > startMs + 1,
    'the clock to move',
  )
  const atMs = clock.nowMs()
  await eventually(
    async () => clock.nowMs(),
    (nowMs) => nowMs > atMs,
    'the clock to move',
  )
  return atMs
}
