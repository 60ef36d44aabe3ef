/** Flips that decide where and when a message goes, not what is in it. Each was found by flipped-bits.test.ts, seeds 11 and 12. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { isSluiceError, type TransportReport } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { context, joinGroup, message, openBus, place, reason, take } from '../bus-file.ts'

const corrupt = (error: unknown): boolean => isSluiceError(error) && error.code === 'STORE_CORRUPT'

/** Moves the log into the database file, then flips a bit of what is stored there as `stored`. */
function alter(path: string, stored: string | Buffer, at: number): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
  const bytes = readFileSync(path)
  const found = bytes.lastIndexOf(stored)
  assert.ok(found > 0, 'it is in the file')
  bytes[found + at] = (bytes[found + at] as number) ^ 1
  writeFileSync(path, bytes)
}

async function closedBus(t: TestContext, fill: (bus: Awaited<ReturnType<typeof openBus>>) => Promise<void>): Promise<string> {
  const path = place(t)
  const bus = await openBus(path)
  await fill(bus)
  await bus.close()
  return path
}

test('a done range that another bit made longer would skip messages: the file is refused', async (t) => {
  const path = await closedBus(t, async (bus) => {
    await bus.send(Array.from({ length: 40 }, (_, i) => message(`m${i}`, 'k')))
    const consumer = await joinGroup(bus)
    const deliveries = await take(consumer, 40)
    consumer.accept(deliveries.slice(10, 20))
    await consumer.close()
  })
  alter(path, '[11,21]', 5)
  await assert.rejects(transport.open(`file:${path}`, context()), corrupt)
})

test('a schedule whose times were damaged does not fire', async (t) => {
  const path = await closedBus(t, async (bus) => {
    await bus.admin.putSchedule({ name: 'nightly', cron: '17 3 * * *', timeZone: 'UTC', nextAtMs: 4_000_000_000_000, message: message('tick') })
  })
  alter(path, '17 3 * * *', 3)
  const bus = await openBus(path)
  await assert.rejects(bus.admin.schedules(), corrupt)
  await assert.rejects(bus.admin.fireSchedule('nightly', 4_000_000_000_000, message('tick'), 4_000_000_060_000), corrupt)
  await bus.close()
})

test('a lane of the parking lot whose due time was damaged is told, not waited for', async (t) => {
  const dueAtMs = 4_000_000_000_001
  const path = await closedBus(t, async (bus) => {
    await bus.send([message('a', 'k1')])
    const consumer = await joinGroup(bus)
    await consumer.lot?.move('key:k1', await take(consumer, 1), { state: 'suspended', dueAtMs })
    await consumer.close()
  })
  const number = Buffer.alloc(6)
  number.writeUIntBE(dueAtMs, 0, 6)
  alter(path, number, 0)
  const reports: TransportReport[] = []
  const bus = await openBus(path, {}, reports)
  const told = (): boolean => reports.some(({ level, error }) => level === 'error' && error?.code === 'STORE_CORRUPT')
  await joinGroup(bus)
  const endMs = performance.now() + 10_000
  while (!told() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(told())
  await bus.close()
})

test('a redrive of a damaged dead letter is refused and changes nothing', async (t) => {
  const path = await closedBus(t, async (bus) => {
    await bus.send([message('bad body', 'k1')])
    const consumer = await joinGroup(bus)
    const [delivery] = await take(consumer, 1)
    assert.ok(delivery)
    await consumer.deadLetter([{ delivery, lane: 'key:k1', reason: { ...reason, message: 'out of stock' }, mode: 'continue' }])
    await consumer.close()
  })
  alter(path, 'out of stock', 2)
  const bus = await openBus(path)
  await assert.rejects(bus.admin.deadLetters('c', 'g', {}), corrupt)
  await assert.rejects(bus.admin.redrive('c', 'g', {}), corrupt)
  assert.equal((await bus.admin.groups('c'))[0]?.deadLetters, 1)
  assert.equal(await bus.admin.discard('c', 'g', {}), 1)
  await bus.close()
})
