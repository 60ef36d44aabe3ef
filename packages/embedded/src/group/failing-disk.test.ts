import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Delivery, type Transport, toError } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { bodies, context, joinGroup, message, place, quietObserver, subscription, take } from '../../test/bus-file.ts'
import { failingSqlite } from '../../test/failing-sqlite.ts'
import { BusFile } from '../bus-file.ts'
import { systemSyncCalls } from '../commit/wal-sync.ts'
import { openWithNode } from '../file/open.ts'
import { ProcessLease } from '../lease/process-lease.ts'
import { embeddedOptions } from '../options.ts'
import { Sender } from '../send/sender.ts'
import { FileConsumer } from './consumer.ts'
import { declareTopology } from './declare.ts'

// Found by the simulation of the engine: a disk that fails for a moment must not leave a group standing for ever.

const topology = { channels: [{ name: 'c', kind: 'events', partitions: 8 }], groups: [] } as const

function open(path: string, options: Readonly<Record<string, unknown>> = {}): Promise<Transport> {
  return transport.open(`file:${path}`, context({ embedded: { leaseMs: 400 }, ...options }))
}

async function until(reached: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await reached()) return
    await sleep(20)
  }
  assert.fail(what)
}

/** Keys of all partitions: eight of them in eight partitions, or nearly. */
const messages = Array.from({ length: 64 }, (_, n) => message(`${n}`, `k${n}`))

test('a partition that could not be given up is given up later', async (t) => {
  const path = place(t)
  const failing = failingSqlite()
  const first = await open(path, { sqlite: failing.sqlite })
  await first.declare(topology)
  const consumers = [await joinGroup(first)]
  // Together, then each alone.
  failing.fails = (sql) => sql.startsWith('UPDATE partition SET owner = NULL') && failing.failures < 8
  const second = await open(path)
  consumers.push(await joinGroup(second))
  await until(async () => failing.failures > 1, 'nothing was given up at all')
  const got: Delivery[] = []
  const reading = consumers.map(async (consumer) => {
    for (let some = await consumer.receive(100, Infinity); some.length > 0; some = await consumer.receive(100, Infinity)) got.push(...some)
  })
  await first.send(messages)
  await until(async () => new Set(bodies(got)).size === messages.length, 'a partition has no consumer')
  await Promise.all([first.close(), second.close(), ...reading])
})

test('what could not be read of a partition that was taken is read later', async (t) => {
  const path = place(t)
  const failing = failingSqlite()
  const bus = await open(path, { sqlite: failing.sqlite })
  await bus.declare(topology)
  failing.fails = (sql) => sql.startsWith('SELECT') && sql.includes('FROM lot_lane') && failing.failures === 0
  const consumer = await joinGroup(bus)
  assert.equal(failing.failures, 1, 'the lanes of the partitions were not asked for')
  await bus.send(messages)
  assert.equal((await take(consumer, messages.length)).length, messages.length)
  await bus.close()
})

test('ids of an undone transaction belong to others: they are not touched', async (t) => {
  const path = place(t)
  const failing = failingSqlite()
  const first = await open(path, { sqlite: failing.sqlite })
  await first.declare(topology)
  failing.fails = (sql) => sql.includes('INTO group_type')
  await assert.rejects(joinGroup(first), { code: 'STORE_FULL' })
  const second = await open(path)
  const consumer = await joinGroup(second)
  const looking = openWithNode(path)
  const members = looking.prepare('SELECT m.id, m.process_id FROM member m JOIN process p ON p.id = m.process_id')
  const before = members.all()
  assert.equal(before.length, 1)
  await first.close()
  assert.deepEqual(members.all(), before, 'the second process was removed by the first')
  looking.close()
  await second.send(messages)
  await take(consumer, messages.length)
  await second.close()
})

test('a look at the members that fails is repeated', async (t) => {
  const path = place(t)
  const failing = failingSqlite()
  const bus = await open(path, { sqlite: failing.sqlite })
  await bus.declare(topology)
  const uncaught: Error[] = []
  const listener = (error: unknown): void => void uncaught.push(toError(error))
  process.on('uncaughtException', listener)
  await joinGroup(bus)
  failing.fails = (sql) => sql.startsWith('SELECT') && sql.endsWith('FROM process') && failing.failures === 0
  await until(async () => failing.failures === 1, 'nobody looked')
  await sleep(50)
  process.off('uncaughtException', listener)
  assert.deepEqual(uncaught, [])
  await bus.close()
})

test('a move whose sync failed is settled by the next one that succeeds, not tried again for ever', async (t) => {
  let fails = false
  const its = context({ embedded: { partitions: 1 } })
  const bus = await BusFile.open(place(t), its, embeddedOptions(its), {
    sync: (fd, done) => (fails ? done(new Error('EIO: injected')) : systemSyncCalls.sync(fd, done)),
    syncNow: (fd) => {
      if (fails) throw new Error('EIO: injected')
      systemSyncCalls.syncNow(fd)
    },
  })
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 1))
  const consumer = new FileConsumer(bus, new ProcessLease(bus, 10_000), subscription(), quietObserver)
  await consumer.join()
  await new Sender(bus).send([message('1', 'k'), message('2', 'k')])
  const deliveries = await take(consumer, 2)
  fails = true
  const moved = consumer.lot.move('key:k', deliveries, { state: 'suspended', dueAtMs: 0 })
  await until(async () => bus.sync.failure !== undefined, 'the sync did not fail')
  fails = false
  await moved
  assert.equal(bus.db.one<{ count: number }>('SELECT count FROM lot_lane').count, 2)
  assert.equal((await consumer.lot.read('0/1', 'key:k', 5))?.length, 2)
  await consumer.close()
  await bus.close()
})

test('what was taken before the log could not be read further is delivered, and in order', async (t) => {
  const failing = failingSqlite()
  const bus = await open(place(t), { sqlite: failing.sqlite })
  await bus.declare(topology)
  const numbers = Array.from({ length: 20 }, (_, n) => `${n}`)
  for (const n of numbers) await bus.send([message(n, 'k')])
  let asked = 0
  failing.fails = (sql) => sql.includes('FROM block') && ++asked === 2
  const consumer = await joinGroup(bus)
  assert.deepEqual(bodies(await take(consumer, numbers.length)), numbers)
  assert.equal(failing.failures, 1)
  await bus.close()
})

test('what a member could not give up when it left is taken over as soon as its process is gone', async (t) => {
  const path = place(t)
  const failing = failingSqlite()
  const first = await open(path, { sqlite: failing.sqlite })
  await first.declare(topology)
  await joinGroup(first)
  const second = await open(path)
  const consumer = await joinGroup(second)
  failing.fails = (sql) => sql.startsWith('DELETE FROM member WHERE id')
  await first.close()
  assert.ok(failing.failures > 0, 'leaving did not fail')
  await second.send(messages)
  assert.equal((await take(consumer, messages.length, 5_000)).length, messages.length)
  await second.close()
})
