import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transport } from '@sluice/embedded'
import { context, joinGroup, message, openBus, place, quietObserver, reason, subscription, take } from '../../test/bus-file.ts'
import { openFile, openWithNode } from '../file/open.ts'
import { partitionRows, splitPartition } from '../group/ownership.ts'
import { checkFile } from '../maintenance/check.ts'

// Found by the simulation of the engine (seed 410): `sluice check` called a purged group's dead letters damage.
test('a dead letter of a purged group parks nothing: the file is sound, what comes next is delivered, and it can be redriven', async (t) => {
  const path = place(t)
  const bus = await transport.open(`file:${path}`, context())
  await bus.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
  const first = await joinGroup(bus)
  await bus.send([message('a', 'k')])
  const [delivery] = await take(first, 1)
  assert.ok(delivery)
  await first.deadLetter([{ delivery, lane: 'key:k', reason, mode: 'park' }])
  assert.equal((await bus.admin.groups('c'))[0]?.parkedLanes, 1)
  await bus.admin.purge('c', 'g')
  assert.equal((await bus.admin.groups('c'))[0]?.parkedLanes, 0)
  assert.deepEqual((await checkFile(path)).findings, [])
  await bus.send([message('b', 'k')])
  await take(first, 1)
  assert.equal(await bus.admin.redrive('c', 'g', {}), 1)
  assert.equal((await first.lot?.read('0/1', 'key:k', 2))?.length, 1)
  await bus.close()
})

// Found by the simulation of the engine (seeds 89 and 159): the group with the smallest modulus need not be the one with residue 0.
test('a group that is purged while some of its partitions are split already counts everything as done', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  t.after(() => bus.close())
  await bus.declare({ channels: [{ name: 'd', kind: 'events', partitions: 2 }], groups: [] })
  await (await bus.consume({ ...subscription(), channel: 'd' }, quietObserver)).close()
  await bus.send(Array.from({ length: 10 }, (_, n) => message(`${n}`, `k${n}`, 'd')))
  const { db } = await openFile(path, openWithNode)
  t.after(() => db.close())
  const { id } = db.one<{ id: number }>("SELECT id FROM consumer_group WHERE name = 'g' AND channel_id = (SELECT id FROM channel WHERE name = 'd')")
  const whole = partitionRows(db, id).find(({ modulus, residue }) => modulus === 2 && residue === 0)
  assert.ok(whole)
  splitPartition(db, id, whole)
  assert.equal(await bus.admin.purge('d', 'g'), 10)
  assert.equal((await bus.admin.groups('d'))[0]?.backlog, 0)
})
