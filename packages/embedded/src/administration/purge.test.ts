import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transport } from '@sluice/embedded'
import { context, joinGroup, message, place, reason, take } from '../../test/bus-file.ts'
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
