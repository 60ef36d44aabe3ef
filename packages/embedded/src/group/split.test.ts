import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { bodies, joinGroup, message, openBus, place, quietObserver, subscription, take } from '../../test/bus-file.ts'

// A split happens while nobody owns the partition: the first member reads out of order, leaves, and the channel grows.
test('a partition that is split keeps what was done beyond its cursor, and the backlog stays exact', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  await bus.declare({
    channels: [{ name: 'd', kind: 'events', partitions: 1 }],
    groups: [{ channel: 'd', group: 'g', from: 'start', order: 'key', ephemeral: false }],
  })
  const join = (): ReturnType<typeof bus.consume> => bus.consume({ ...subscription(), channel: 'd' }, quietObserver)
  await bus.send(Array.from({ length: 20 }, (_, i) => message(`${i}`, `k${i}`, 'd')))
  const first = await join()
  const taken = await take(first, 20)
  first.accept(taken.filter((_, i) => i % 3 !== 0))
  await first.flush()
  await first.close()
  const backlog = async (): Promise<number | undefined> => (await bus.admin.groups('d'))[0]?.backlog
  assert.equal(await backlog(), 7)

  await bus.declare({ channels: [{ name: 'd', kind: 'events', partitions: 4 }], groups: [] })
  const second = await join()
  const rest = await take(second, 7)
  assert.deepEqual(
    rest.map((delivery) => Number(delivery.envelope.body)).sort((a, b) => a - b),
    [0, 3, 6, 9, 12, 15, 18],
  )
  assert.equal(new Set(rest.map((delivery) => delivery.partition)).size > 1, true, 'it was not split')
  assert.equal(await backlog(), 7)
  second.accept(rest)
  await second.flush()
  assert.equal(await backlog(), 0)
  await bus.close()
})

test('members that are there split their partitions when the channel grows; what was out under the old ones settles nothing', async (t) => {
  const bus = await openBus(place(t))
  const consumer = await joinGroup(bus)
  await bus.send([message('a', 'k')])
  const [old] = await take(consumer, 1)
  await bus.declare({ channels: [{ name: 'c', kind: 'events', partitions: 16 }], groups: [] })
  const [again] = await take(consumer, 1)
  assert.ok(old !== undefined && again !== undefined)
  assert.notEqual(again.partition, old.partition)
  consumer.accept([old])
  await consumer.flush()
  assert.equal((await bus.admin.groups('c'))[0]?.backlog, 1)
  consumer.accept([again])
  await consumer.flush()
  assert.equal((await bus.admin.groups('c'))[0]?.backlog, 0)
  await bus.close()
})

test('a partition whose owner died is split by who comes after, and what the dead one held is suspect', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  const consumer = await joinGroup(bus)
  await bus.send(Array.from({ length: 20 }, (_, i) => message(`${i}`, `k${i}`)))
  const taken = await take(consumer, 20)
  consumer.accept(taken.filter((_, i) => i % 2 === 0))
  await consumer.flush()
  await consumer.close()
  // As a kill -9 leaves it: owners that are no members any more.
  const db = new DatabaseSync(path)
  db.exec('PRAGMA busy_timeout = 5000; UPDATE partition SET owner = 1000000')
  db.close()
  await bus.declare({ channels: [{ name: 'c', kind: 'events', partitions: 16 }], groups: [] })
  const again = await take(await joinGroup(bus), 10)
  assert.deepEqual(new Set(bodies(again)), new Set(bodies(taken.filter((_, i) => i % 2 === 1))))
  assert.ok(again.every((delivery) => delivery.suspect))
  await bus.close()
})
