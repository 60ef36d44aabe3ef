import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodies, joinGroup, message, openBus, place, reason, take } from '../../test/bus-file.ts'
import { checkFile } from '../maintenance/check.ts'

test('a replay takes back a dead letter that parks its lane alone: it comes once, its lane is open, the file is sound', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  t.after(() => bus.close())
  const first = await joinGroup(bus)
  await bus.send([message('a', 'k')])
  const [dead] = await take(first, 1)
  assert.ok(dead)
  await first.deadLetter([{ delivery: dead, lane: 'key:k', reason, mode: 'park' }])
  assert.equal(await bus.admin.replay('c', 'g', undefined, undefined), 1)
  const status = (await bus.admin.groups('c'))[0]
  assert.deepEqual([status?.deadLetters, status?.parkedLanes], [0, 0])
  await bus.send([message('b', 'k')])
  assert.deepEqual(bodies(await take(first, 2)), ['a', 'b'])
  // Its lane in the lot is empty, which its owner sees to when it reads it.
  assert.deepEqual(
    (await checkFile(path)).findings.filter(({ level }) => level !== 'note'),
    [],
  )
})

test('a replay of the time of a dead letter that messages wait behind is refused: they would come before it', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const first = await joinGroup(bus)
  await bus.send([message('a', 'k')])
  await new Promise((resolve) => setTimeout(resolve, 5))
  const betweenMs = Date.now()
  await new Promise((resolve) => setTimeout(resolve, 5))
  await bus.send([message('b', 'k')])
  const [dead, next] = await take(first, 2)
  assert.ok(dead && next)
  await first.deadLetter([{ delivery: dead, lane: 'key:k', reason, mode: 'park' }])
  await first.lot?.move('key:k', [next], { state: 'parked', dueAtMs: 0 }, undefined)
  await assert.rejects(bus.admin.replay('c', 'g', undefined, betweenMs), { code: 'UNSUPPORTED' })
  assert.equal((await bus.admin.groups('c'))[0]?.deadLetters, 1)
  // Its fix: then it is only those of that time that come again.
  await bus.admin.discard('c', 'g', {})
  assert.equal(await bus.admin.replay('c', 'g', undefined, betweenMs), 1)
})
