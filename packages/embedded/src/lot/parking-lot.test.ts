import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Delivery, LotLane } from '@sluice/core/transport'
import { bodies, joinGroup, message, openBus, place, quietObserver, reason, subscription, take } from '../../test/bus-file.ts'

/** Resolves with the lane's news once it is told of it `count` times. */
function news(): { readonly told: LotLane[]; until(count: number): Promise<void> } {
  const told: LotLane[] = []
  const until = async (count: number): Promise<void> => {
    const endMs = performance.now() + 5000
    while (told.length < count) {
      if (performance.now() > endMs) throw new Error(`told ${JSON.stringify(told)}, not ${count} times`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return { told, until }
}

test('a dead letter that is discarded before its successor is moved: the owner is told that the lane goes on', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told, until } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k'), message('second', 'k')])
  const [first, second] = (await take(consumer, 2)) as [Delivery, Delivery]
  await consumer.deadLetter([{ delivery: first, lane: 'key:k', reason, mode: 'park' }])
  // One turn: the owner cannot hear of the discard before it asks for the move.
  const discarded = bus.admin.discard('c', 'g', {})
  const moved = consumer.lot?.move('key:k', [second], { state: 'suspended', dueAtMs: 0 })
  await Promise.all([discarded, moved])
  await until(1)
  const last = told.at(-1) as LotLane
  assert.equal(last.state, 'suspended')
  assert.ok(last.dueAtMs <= 0)
  const read = await consumer.lot?.read(second.partition, 'key:k', 10)
  assert.equal(read?.length, 1)
})

test('a second redrive into a lane that drains is told, although neither state nor due time changes', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told, until } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k'), message('second', 'k')])
  for (const delivery of await take(consumer, 2)) await consumer.deadLetter([{ delivery, lane: 'key:k', reason, mode: 'continue' }])
  const letters = await bus.admin.deadLetters('c', 'g', {})
  for (const [n, { deadLetterId }] of letters.entries()) {
    await bus.admin.redrive('c', 'g', { deadLetterIds: [deadLetterId] })
    await until(n + 1)
  }
  assert.deepEqual(
    told.map(({ state, count }) => [state, count]),
    [
      ['suspended', 1],
      ['suspended', 2],
    ],
  )
})

test('after a death only what was in the lot then is suspect, until its attempt is written; what is redriven later is not', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  t.after(() => bus.close())
  const before = await bus.consume(subscription(), quietObserver)
  await bus.send([message('dead', 'k1'), message('waits', 'k2')])
  const taken = await take(before, 2)
  const [dead, waits] = ['dead', 'waits'].map((body) => taken.find(({ envelope }) => envelope.body === body)) as [Delivery, Delivery]
  await before.deadLetter([{ delivery: dead, lane: 'key:k1', reason, mode: 'continue' }])
  await before.lot?.move('key:k2', [waits], { state: 'suspended', dueAtMs: 0 })
  await before.close()
  // As a kill -9 leaves it: an owner that is no member any more.
  const db = new DatabaseSync(path)
  db.exec('PRAGMA busy_timeout = 5000; UPDATE partition SET owner = 1000000')
  db.close()

  const { told, until } = news()
  const consumer = await bus.consume(subscription(), {
    ...quietObserver,
    assigned: (_partition, lanes) => void told.push(...lanes),
    lotChanged: (_partition, lanes) => void told.push(...lanes),
  })
  const read = async (lane: string): Promise<Delivery | undefined> => {
    const [first] = (await consumer.lot?.read(told.find((one) => one.lane === lane)?.partition as string, lane, 10)) ?? []
    return first
  }
  await until(1)
  const held = (await read('key:k2')) as Delivery
  assert.equal(held.suspect, true)
  await consumer.record([{ delivery: held, attempt: 1, notBeforeMs: 0, firstDeliveredAtMs: 1 }])
  consumer.release([held])
  await bus.admin.redrive('c', 'g', {})
  await until(2)
  assert.equal((await read('key:k1'))?.suspect, false, 'it was put back after the death')
  const again = await read('key:k2')
  assert.deepEqual([again?.attempt, again?.suspect], [1, false], 'its attempt was written')
})

test('what the owner itself moved is no news to it', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k')])
  const [first] = (await take(consumer, 1)) as [Delivery]
  await consumer.lot?.move('key:k', [first], { state: 'suspended', dueAtMs: 4_000_000_000_000 })
  // Another member joins: everybody looks at the lots again.
  await joinGroup(bus)
  assert.deepEqual(told, [])
})

test('what was read and settled, but is not yet removed, is not read again', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const consumer = await joinGroup(bus)
  await bus.send([message('first', 'k'), message('second', 'k'), message('third', 'k')])
  const taken = await take(consumer, 3)
  const partition = (taken[0] as Delivery).partition
  await consumer.lot?.move('key:k', taken, { state: 'suspended', dueAtMs: 0 })
  const [first] = (await consumer.lot?.read(partition, 'key:k', 1)) ?? []
  consumer.accept([first as Delivery])
  // In the same turn: the row of the first is still there.
  const rest = await consumer.lot?.read(partition, 'key:k', 10)
  assert.deepEqual(bodies(rest ?? []), ['second', 'third'])
  consumer.accept(rest ?? [])
  await consumer.flush()
  assert.deepEqual(await consumer.lot?.read(partition, 'key:k', 10), [])
  assert.deepEqual((await bus.admin.groups('c'))[0], { ...(await bus.admin.groups('c'))[0], backlog: 0, suspendedLanes: 0 })
})

test('a retry of a head whose predecessor is settled and not yet removed is recorded for the head', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const consumer = await joinGroup(bus)
  await bus.send([message('first', 'k'), message('second', 'k')])
  const taken = await take(consumer, 2)
  const partition = (taken[0] as Delivery).partition
  await consumer.lot?.move('key:k', taken, { state: 'suspended', dueAtMs: 0 })
  const [first, second] = ((await consumer.lot?.read(partition, 'key:k', 10)) ?? []) as [Delivery, Delivery]
  consumer.accept([first])
  await consumer.lot?.reschedule(partition, 'key:k', 0, { delivery: second, attempt: 3, notBeforeMs: 0, firstDeliveredAtMs: 1, note: 'again' })
  const again = (await consumer.lot?.read(partition, 'key:k', 10)) ?? []
  assert.deepEqual(
    again.map(({ envelope, attempt, note }) => [envelope.body, attempt, note]),
    [['second', 3, 'again']],
  )
})

test('a parked lane with nothing behind it that is discarded: its owner is told, and takes it away', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told, until } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k')])
  const [first] = (await take(consumer, 1)) as [Delivery]
  await consumer.deadLetter([{ delivery: first, lane: 'key:k', reason, mode: 'park' }])
  assert.equal((await bus.admin.groups('c'))[0]?.parkedLanes, 1)
  await bus.admin.discard('c', 'g', {})
  await until(1)
  assert.deepEqual(
    told.map(({ lane, state, count }) => [lane, state, count]),
    [['key:k', 'suspended', 0]],
  )
  const status = (await bus.admin.groups('c'))[0]
  assert.deepEqual([status?.parkedLanes, status?.suspendedLanes], [0, 0])
  assert.deepEqual(await consumer.lot?.read(first.partition, 'key:k', 10), [])
  // Nothing of it is left to be told to the next owner.
  await consumer.flush()
  await consumer.close()
  const assigned: (readonly LotLane[])[] = []
  await bus.consume(subscription(), { ...quietObserver, assigned: (_partition, lanes) => void assigned.push(lanes) })
  assert.ok(assigned.length > 0 && assigned.every((lanes) => lanes.length === 0))
})

test('more lanes than are read in one turn are told to their next owner, and what is redriven meanwhile, too', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const first = await joinGroup(bus)
  const count = 2500
  await bus.send([message('dead', 'dead'), ...Array.from({ length: count }, (_, n) => message(`${n}`, `k${n}`))])
  const [dead, ...taken] = (await take(first, count + 1)) as [Delivery, ...Delivery[]]
  await first.deadLetter([{ delivery: dead, lane: 'key:dead', reason, mode: 'park' }])
  await Promise.all(taken.map((one) => first.lot?.move(`key:${one.envelope.partitionkey}`, [one], { state: 'suspended', dueAtMs: 4_000_000_000_000 })))
  await first.close()
  const told = new Map<string, LotLane>()
  const tell = (_partition: string, lanes: readonly LotLane[]): void => {
    for (const lane of lanes) told.set(lane.lane, lane)
  }
  const joining = bus.consume(subscription(), { ...quietObserver, assigned: tell, lotChanged: tell })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(await bus.admin.redrive('c', 'g', {}), 1)
  await joining
  assert.equal(told.size, count + 1)
  const endMs = performance.now() + 5000
  while (told.get('key:dead')?.state !== 'suspended' && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(told.get('key:dead')?.state, 'suspended')
})
