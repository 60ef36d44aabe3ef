import assert from 'node:assert/strict'
import type { Delivery, TransportFacts } from '@sluice/core/transport'
import { bodies, eventually, type Probe } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message, numbered, type Rig } from '../suite/rig.ts'

const needs = (facts: TransportFacts): string | undefined => (facts.parkingLot === 'none' ? 'it has no parking lot' : undefined)

/** The parking lot: suspended and parked lanes, dead letters, redrive. */
export const lot: Subject = {
  name: 'parking lot',
  cases: [
    {
      name: 'without one, the consumer has no lot',
      needs: (facts) => (facts.parkingLot === 'none' ? undefined : 'it has one'),
      async run(rig) {
        assert.equal((await rig.join(await rig.channel())).consumer.lot, undefined)
      },
    },
    {
      name: 'suspend: moved in order, out of the way of others, drained in order, gone when empty',
      needs,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send([...numbered(3, ['a']), ...numbered(2, ['b'], 10)])
        const taken = await probe.take(5)
        const lane = taken.filter((delivery) => delivery.envelope.partitionkey === 'a')
        const dueAtMs = rig.clock.nowMs() + 50_000
        const first = { delivery: lane[0] as Delivery, attempt: 2, notBeforeMs: dueAtMs, firstDeliveredAtMs: 77, note: 'n' }
        await probe.lot.move('key:a', lane.slice(0, 2), { state: 'suspended', dueAtMs }, first)
        // A lane that exists keeps its state; its successors go to its end.
        await probe.lot.move('key:a', lane.slice(2), { state: 'parked', dueAtMs: 0 })
        probe.consumer.accept(taken.filter((delivery) => delivery.envelope.partitionkey === 'b'))
        await probe.consumer.flush()
        const status = (await transport.admin.groups())[0]
        assert.deepEqual([status?.backlog, status?.suspendedLanes, status?.parkedLanes, status?.inFlight], [3, 1, 0, 0])
        const partition = (lane[0] as Delivery).partition
        const head = await probe.lot.read(partition, 'key:a', 2)
        assert.deepEqual(bodies(head ?? []), ['0', '1'])
        assert.deepEqual(
          head?.map((d) => [d.fromLot, d.attempt, d.note, d.partition]),
          [
            [true, 2, 'n', partition],
            [true, 0, undefined, partition],
          ],
        )
        assert.equal(head?.[0]?.firstDeliveredAtMs, 77)
        assert.equal(head[0].notBeforeMs, dueAtMs)
        // What was read and not settled is not read again; the next call goes on behind it.
        assert.deepEqual(bodies((await probe.lot.read(partition, 'key:a', 2)) ?? []), ['2'])
        probe.consumer.accept(head)
        await probe.consumer.flush()
        // Rescheduled: what was read is back.
        await probe.lot.reschedule(partition, 'key:a', 5)
        const rest = (await probe.lot.read(partition, 'key:a', 5)) ?? []
        assert.deepEqual(bodies(rest), ['2'])
        probe.consumer.accept(rest)
        await probe.consumer.flush()
        assert.deepEqual(await probe.lot.read(partition, 'key:a', 1), [])
        assert.equal((await transport.admin.groups())[0]?.suspendedLanes, 0)
        await transport.send([message({ key: 'a', body: 'new' })])
        assert.deepEqual(bodies(await probe.drain(1)), ['new'])
      },
    },
    {
      name: 'a suspended lane survives its consumer and comes to the next owner with its progress',
      needs,
      async run(rig) {
        const first = await rig.channel()
        const probe = await rig.join(first)
        await first.send(numbered(3, ['a']))
        const taken = await probe.take(3)
        const dueAtMs = rig.clock.nowMs() + 50_000
        await probe.lot.move('key:a', taken, { state: 'suspended', dueAtMs })
        const partition = (taken[0] as Delivery).partition
        const [head] = (await probe.lot.read(partition, 'key:a', 1)) ?? []
        assert.ok(head)
        await probe.lot.reschedule(partition, 'key:a', dueAtMs + 1, { delivery: head, attempt: 4, notBeforeMs: dueAtMs + 1, firstDeliveredAtMs: 9 })
        await rig.close(first)
        const next = await rig.join(await rig.open())
        await next.until(() => next.lanes.has('key:a'), 'the lane to be announced')
        const lane = next.lanes.get('key:a')
        assert.deepEqual([lane?.state, lane?.dueAtMs, lane?.count], ['suspended', dueAtMs + 1, 3])
        const all = await next.drainLane('key:a')
        assert.deepEqual(bodies(all), ['0', '1', '2'])
        assert.deepEqual([all[0]?.attempt, all[0]?.firstDeliveredAtMs], [4, 9])
        await next.quiet()
      },
    },
    {
      name: 'released from the lot: readable again, in its place',
      needs,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(3, ['a']))
        const taken = await probe.take(3)
        await probe.lot.move('key:a', taken, { state: 'suspended', dueAtMs: 0 })
        const partition = (taken[0] as Delivery).partition
        const read = (await probe.lot.read(partition, 'key:a', 2)) ?? []
        probe.consumer.release(read)
        await probe.consumer.flush()
        assert.deepEqual(bodies((await probe.lot.read(partition, 'key:a', 10)) ?? []), ['0', '1', '2'])
      },
    },
    {
      name: 'an unkeyed message in the lot is announced to whoever owns its partition, and drained there',
      needs,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(6, [undefined]))
        const taken = await probe.take(6)
        for (const delivery of taken) await probe.lot.move(`id:${delivery.envelope.id}`, [delivery], { state: 'suspended', dueAtMs: 0 })
        // Where the mover owned the partition already, it needs no telling.
        for (const delivery of taken) {
          const name = `id:${delivery.envelope.id}`
          if (delivery.partition !== '') probe.lanes.set(name, { lane: name, partition: delivery.partition, state: 'suspended', dueAtMs: 0, count: 1 })
          await probe.until(() => probe.lanes.has(name), 'the lane to be announced')
          assert.deepEqual(bodies(await probe.drainLane(name)), bodies([delivery]))
        }
        assert.equal((await transport.admin.groups())[0]?.backlog, 0)
      },
    },
    {
      name: 'a dead letter keeps the bytes, the attributes and the reason; its group goes on',
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const sent = message({ key: 'a', body: new Uint8Array([0, 255]), headers: { h: 'ü' }, envelope: { correlationid: 'c' } })
        await transport.send([sent, ...numbered(2, ['a'], 1)])
        const [dead, ...rest] = await probe.take(3)
        await probe.deadLetter(dead as Delivery, 'continue', undefined, { code: 'X', message: 'näh', attempts: 5, fingerprint: 'ff' })
        probe.consumer.accept(rest)
        await probe.consumer.flush()
        const [letter] = await transport.admin.deadLetters('c', 'g', {})
        assert.ok(letter)
        assert.deepEqual({ ...letter.envelope, body: Buffer.from(letter.envelope.body) }, { ...sent.envelope, body: Buffer.from(sent.envelope.body) })
        const { reason } = letter
        assert.deepEqual(
          [reason.code, reason.message, reason.attempts, reason.deliveries, reason.stack, reason.fingerprint, reason.service],
          ['X', 'näh', 5, 1, 'Error: it failed\n    at handler', 'ff', 'conformance'],
        )
        assert.deepEqual([letter.parkedBehind, letter.redrives], [0, 0])
        const status = (await transport.admin.groups())[0]
        assert.deepEqual([status?.deadLetters, status?.backlog, status?.parkedLanes], [1, 0, 0])
      },
    },
    {
      name: 'dead letters are found by id, type, key, fingerprint, and page by page',
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport, { types: ['t', 'u'] })
        await transport.send([message({ key: 'a', type: 't' }), message({ key: 'b', type: 'u' }), message({ key: 'c', type: 'u' }), message({ type: 'u' })])
        for (const [i, delivery] of (await probe.take(4)).entries()) await probe.deadLetter(delivery, 'continue', undefined, { fingerprint: `f${i % 2}` })
        const list = (query: Parameters<typeof transport.admin.deadLetters>[2]): Promise<readonly { deadLetterId: string }[]> =>
          transport.admin.deadLetters('c', 'g', query)
        const all = await list({})
        assert.equal(all.length, 4)
        assert.equal((await list({ types: ['u'] })).length, 3)
        assert.equal((await list({ keys: ['a', 'c'] })).length, 2)
        assert.equal((await list({ fingerprint: 'f1' })).length, 2)
        assert.equal((await list({ types: ['u'], fingerprint: 'nothing' })).length, 0)
        assert.deepEqual(await list({ deadLetterIds: [all[2]?.deadLetterId as string] }), [all[2]])
        const page = await list({ limit: 3 })
        assert.deepEqual([...page, ...(await list({ after: page[2]?.deadLetterId as string }))], all)
        assert.equal(await transport.admin.discard('c', 'g', { types: ['u'], limit: 2 }), 2)
        assert.equal((await list({})).length, 2)
        assert.equal(await transport.admin.discard('c', 'g', {}), 2)
      },
    },
    {
      name: 'park: the lane is parked from the dead letter on, over a restart, until a redrive; then in order, the dead one first',
      needs,
      async run(rig) {
        const { transport, probe, partition } = await parkedLane(rig)
        assert.equal(await probe.lot.read(partition, 'key:a', 5), undefined, 'a parked lane is not read')
        await rig.close(transport)
        const admin = (await rig.open()).admin
        const next = await rig.join(await rig.open())
        await next.until(() => next.lanes.get('key:a')?.state === 'parked', 'the lane to be announced as parked')
        const [letter] = await admin.deadLetters('c', 'g', {})
        assert.equal(letter?.parkedBehind, 3)
        assert.equal(await admin.redrive('c', 'g', { deadLetterIds: [letter.deadLetterId] }), 1)
        await next.until(() => next.lanes.get('key:a')?.state === 'suspended', 'the lane to be reopened')
        assert.equal(next.lanes.get('key:a')?.count, 4)
        const drained = await next.drainLane('key:a')
        assert.deepEqual(bodies(drained), ['0', '1', '2', '3'])
        assert.equal(drained[0]?.attempt, 0, 'attempts begin anew')
        assert.deepEqual(await admin.deadLetters('c', 'g', {}), [])
        const status = (await admin.groups())[0]
        assert.deepEqual([status?.backlog, status?.parkedLanes, status?.suspendedLanes], [0, 0, 0])
      },
    },
    {
      name: 'park with nothing behind it yet: known to the next owner all the same',
      needs,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send(numbered(1, ['a']))
        await probe.deadLetter((await probe.take(1))[0] as Delivery, 'park')
        assert.equal((await transport.admin.groups())[0]?.parkedLanes, 1)
        await rig.close(transport)
        const next = await rig.join(await rig.open())
        await next.until(() => next.lanes.has('key:a'), 'the lane to be announced')
        assert.deepEqual([next.lanes.get('key:a')?.state, next.lanes.get('key:a')?.count], ['parked', 0])
      },
    },
    {
      name: 'discard: the successors follow as if it had been handled; with none the lane is open again',
      needs,
      async run(rig) {
        const { transport, probe } = await parkedLane(rig)
        assert.equal(await transport.admin.discard('c', 'g', {}), 1)
        await probe.until(() => probe.lanes.get('key:a')?.state === 'suspended', 'the lane to be reopened')
        assert.deepEqual(bodies(await probe.drainLane('key:a')), ['1', '2', '3'])
        await transport.send([message({ key: 'b', body: 'x' })])
        await probe.deadLetter((await probe.take(1))[0] as Delivery, 'park')
        assert.equal(await transport.admin.discard('c', 'g', { keys: ['b'] }), 1)
        await probe.until(() => probe.lanes.get('key:b')?.count === 0 && probe.lanes.get('key:b')?.state === 'suspended', 'the empty lane to be gone')
        assert.equal((await transport.admin.groups())[0]?.parkedLanes, 0)
      },
    },
    {
      name: 'dead again after a redrive: parked again, with its lineage',
      needs,
      async run(rig) {
        const { transport, probe, partition } = await parkedLane(rig)
        await transport.admin.redrive('c', 'g', {})
        await probe.until(() => probe.lanes.get('key:a')?.state === 'suspended', 'the lane to be reopened')
        const [head, second] = (await probe.lot.read(partition, 'key:a', 2)) ?? []
        await probe.deadLetter(head as Delivery, 'park')
        assert.ok(second, 'the second was read, and is void now')
        const [letter] = await transport.admin.deadLetters('c', 'g', {})
        assert.deepEqual([letter?.redrives, letter?.parkedBehind], [1, 3])
        await transport.admin.redrive('c', 'g', {})
        await probe.until(() => probe.lanes.get('key:a')?.state === 'suspended' && probe.lanes.get('key:a')?.count === 4, 'the lane to be reopened')
        assert.deepEqual(bodies(await probe.drainLane('key:a')), ['0', '1', '2', '3'])
      },
    },
    {
      name: 'redrive of what was not parked, keyed and not: a lane in the lot, at once',
      needs,
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send([message({ key: 'a', body: 'k' }), message({ id: 'one', body: 'u' })])
        for (const delivery of await probe.take(2)) await probe.deadLetter(delivery, 'continue')
        assert.equal(await transport.admin.redrive('c', 'g', {}), 2)
        for (const [lane, body] of [
          ['key:a', 'k'],
          ['id:one', 'u'],
        ] as const) {
          await probe.until(() => (probe.lanes.get(lane)?.count ?? 0) > 0, `${lane} to be announced`)
          const [redriven] = await probe.drainLane(lane)
          assert.equal(redriven?.envelope.body, body)
        }
        await eventually(
          () => transport.admin.groups(),
          (list) => list[0]?.backlog === 0,
          'nothing to be left',
        )
      },
    },
    {
      name: 'purge drops the backlog and the lot, not the dead letters',
      needs,
      async run(rig) {
        const { transport, probe } = await parkedLane(rig)
        await transport.send(numbered(5, ['b', undefined], 50))
        await probe.take(2)
        assert.equal(await transport.admin.purge('c', 'g'), 8)
        const status = (await transport.admin.groups())[0]
        assert.deepEqual([status?.backlog, status?.parkedLanes, status?.deadLetters], [0, 0, 1])
        await transport.send([message({ key: 'a', body: 'after' })])
        assert.deepEqual(bodies(await probe.drain(1)), ['after'])
      },
    },
  ],
}

/** Key `a`: message 0 dead, 1 to 3 parked behind it. */
async function parkedLane(rig: Rig): Promise<{ transport: Awaited<ReturnType<Rig['open']>>; probe: Probe; partition: string }> {
  const transport = await rig.channel()
  const probe = await rig.join(transport)
  await transport.send(numbered(4, ['a']))
  const taken = await probe.take(4)
  await probe.deadLetter(taken[0] as Delivery, 'park')
  await probe.lot.move('key:a', taken.slice(1), { state: 'parked', dueAtMs: 0 })
  return { transport, probe, partition: (taken[0] as Delivery).partition }
}
