import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { keyHash, type TransportReport } from '@sluice/core/transport'
import { bodies, joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'

/** Keys of two different partitions, whatever their number is. */
const [here = '', there = ''] = ['a', 'b', 'c', 'd'].sort((a, b) => (keyHash(a) % 2) - (keyHash(b) % 2)).filter((_, i) => i === 0 || i === 3)

function change(path: string, sql: string, ...values: (number | Uint8Array)[]): void {
  const db = new DatabaseSync(path)
  db.prepare(sql).run(...values)
  db.close()
}

function dataAt(path: string, first: number): Uint8Array {
  const db = new DatabaseSync(path)
  const row = db.prepare('SELECT data FROM block WHERE id & 17592186044415 = ?').get(first)
  db.close()
  return row?.['data'] as Uint8Array
}

/** Three blocks: one message of `here`, one of `here`, one of `there`, and one of `here` again. */
async function threeBlocks(t: TestContext): Promise<{ readonly path: string; readonly reports: TransportReport[] }> {
  const path = place(t)
  const bus = await openBus(path)
  for (const [body, key] of [
    ['1', here],
    ['2', here],
    ['3', there],
    ['4', here],
  ] as const)
    assert.deepEqual(await bus.send([message(body, key)]), { failures: [] })
  await bus.close()
  return { path, reports: [] }
}

function corruptReports(reports: readonly TransportReport[]): readonly TransportReport[] {
  return reports.filter(({ level, error }) => level === 'error' && error?.code === 'STORE_CORRUPT')
}

test('a damaged message stops its partition, visibly, and no other; nothing of it is delivered or skipped', async (t) => {
  assert.notEqual(keyHash(here) % 2, keyHash(there) % 2)
  const { path, reports } = await threeBlocks(t)
  const data = dataAt(path, 2)
  const damagedData = new Uint8Array(data)
  damagedData[data.length - 1] = (data[data.length - 1] as number) ^ 1
  change(path, 'UPDATE block SET data = ? WHERE id & 17592186044415 = 2', damagedData)
  const bus = await openBus(path, {}, reports)
  const consumer = await joinGroup(bus)
  const taken = await take(consumer, 2)
  assert.deepEqual(bodies(taken), ['1', '3'])
  consumer.accept(taken)
  await consumer.flush()
  assert.equal((await bus.admin.groups())[0]?.backlog, 2)
  assert.equal(corruptReports(reports).length, 1)
  assert.match(corruptReports(reports)[0]?.message ?? '', /stops in partition .*position 2/)
  await bus.close()
  // Mended by a person: the rest follows, in order.
  change(path, 'UPDATE block SET data = ? WHERE id & 17592186044415 = 2', data)
  const again = await openBus(path)
  assert.deepEqual(bodies(await take(await joinGroup(again), 2)), ['2', '4'])
  await again.close()
})

for (const [what, sql] of [
  ['of which nothing can be trusted', "UPDATE block SET data = x'00' WHERE id & 17592186044415 = 2"],
  ['whose commit number is wrong', 'UPDATE block SET seq = 1000000 WHERE id & 17592186044415 = 2'],
  ['that is missing', 'DELETE FROM block WHERE id & 17592186044415 = 2'],
] as const)
  test(`a block ${what} stops all partitions, visibly, and what was before it is delivered`, async (t) => {
    const { path, reports } = await threeBlocks(t)
    change(path, sql)
    const bus = await openBus(path, {}, reports)
    const consumer = await joinGroup(bus)
    const taken = await take(consumer, 1)
    assert.deepEqual(bodies(taken), ['1'])
    consumer.accept(taken)
    const more = consumer.receive(10, Number.POSITIVE_INFINITY)
    while (corruptReports(reports).length === 0) await new Promise((resolve) => setImmediate(resolve))
    await bus.send([message('5', there)])
    await consumer.flush()
    assert.equal((await bus.admin.groups())[0]?.backlog, 4)
    await consumer.close()
    assert.deepEqual(await more, [])
    await bus.close()
  })
