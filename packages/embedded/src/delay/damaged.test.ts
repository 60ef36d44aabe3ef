import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { SluiceError, type TransportReport } from '@sluice/core/transport'
import { bodies, joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'

test('a damaged delayed message is reported and kept; those before and behind it come when they are due', async (t) => {
  const path = place(t)
  const reports: TransportReport[] = []
  const bus = await openBus(path, {}, reports)
  t.after(() => bus.close())
  const dueMs = Date.now() + 300
  await bus.send(['first', 'second', 'third'].map((body, n) => ({ ...message(body, `k${n}`), notBeforeMs: dueMs + n })))
  const disk = new DatabaseSync(path)
  disk.exec('PRAGMA busy_timeout = 5000')
  disk.exec("UPDATE delayed SET body = 'sec0nd' WHERE body = 'second'")
  const consumer = await joinGroup(bus)
  assert.deepEqual(bodies(await take(consumer, 2)).sort(), ['first', 'third'])
  const damaged = reports.filter(({ error }) => error instanceof SluiceError && error.code === 'STORE_CORRUPT')
  assert.equal(damaged.length, 1)
  assert.match(damaged[0]?.message ?? '', /delayed message 2 .* kept and never delivered/)
  assert.deepEqual(
    disk
      .prepare('SELECT body FROM delayed')
      .all()
      .map((row) => row['body']),
    ['sec0nd'],
  )
  // It does not keep the file busy either: nothing is due any more, until the next one is.
  assert.equal(disk.prepare('SELECT next_due_ms FROM state').get()?.['next_due_ms'], null)
  disk.close()
  await bus.send([{ ...message('fourth', 'k'), notBeforeMs: Date.now() + 100 }])
  assert.deepEqual(bodies(await take(consumer, 1)), ['fourth'])
})

test('of two processes one moves what is due; when it is gone the other one does', async (t) => {
  const path = place(t)
  const buses = [await openBus(path), await openBus(path)] as const
  t.after(() => Promise.all(buses.map((bus) => bus.close())))
  const consumer = await joinGroup(buses[1])
  const due = async (body: string): Promise<void> => {
    await buses[1].send([{ ...message(body, 'k'), notBeforeMs: Date.now() + 30 }])
    assert.deepEqual(bodies(await take(consumer, 1)), [body])
  }
  // Whoever moves them: by the second one they have agreed.
  for (let n = 0; n < 5; n++) await due(`both ${n}`)
  await buses[0].close()
  for (let n = 0; n < 3; n++) await due(`one ${n}`)
})
