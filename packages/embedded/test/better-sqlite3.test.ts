import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSluiceError, type SendReport } from '@sluice/core/transport'
import type BetterClass from 'better-sqlite3'
import { bodies, joinGroup, message, openBus, place, reason, take } from './bus-file.ts'

// A native library: where no binary fits this machine, it cannot be loaded.
const Better: typeof BetterClass | undefined = await import('better-sqlite3')
  .then(
    (loaded) => {
      new loaded.default(':memory:').close()
      return loaded.default
    },
    () => undefined,
  )
  .catch(() => undefined)
const skip = Better === undefined ? 'needs better-sqlite3' : false
const open = (path: string): InstanceType<typeof BetterClass> => new (Better as typeof BetterClass)(path)

test("the engine runs on the application's better-sqlite3: send, consume, park, redrive, delay, transaction", { skip }, async (t) => {
  const path = place(t)
  const bus = await openBus(path, { sqlite: open })
  const consumer = await joinGroup(bus)
  assert.deepEqual((await bus.send([message('1', 'k'), message('2', 'k'), { ...message('later', 'k'), notBeforeMs: Date.now() + 50 }])).failures, [])
  const [first, second] = await take(consumer, 2)
  assert.ok(first !== undefined && second !== undefined)
  await consumer.record([{ delivery: first, attempt: 1, notBeforeMs: 0, firstDeliveredAtMs: 1 }])
  await consumer.deadLetter([{ delivery: first, lane: 'key:k', reason, mode: 'park' }])
  await consumer.lot?.move('key:k', [second], { state: 'parked', dueAtMs: 0 })
  assert.equal(await bus.admin.redrive('c', 'g', {}), 1)
  assert.deepEqual(bodies((await consumer.lot?.read(first.partition, 'key:k', 10)) ?? []), ['1', '2'])
  assert.deepEqual(bodies(await take(consumer, 1)), ['later'])
  const app = open(path)
  let sent: Promise<SendReport> | undefined
  app.transaction(() => {
    sent = bus.send([message('inside', 'k2')], { transaction: app })
  })()
  assert.deepEqual((await sent)?.failures, [])
  assert.deepEqual(bodies(await take(consumer, 1)), ['inside'])
  app.close()
  await bus.close()
})

test('two libraries on one file are found out; what follows is an error or a confirm, never silence', { skip, timeout: 20_000 }, async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  const app = open(path)
  app.exec('BEGIN')
  await assert.rejects(bus.send([message('x')], { transaction: app }), (error) => isSluiceError(error, 'SQLITE_TWO_LIBRARIES'))
  app.exec('ROLLBACK')
  // Closing it may delete the log under the engine: it takes itself for the last one on the file.
  app.close()
  for (let n = 0; n < 3; n++) {
    const { failures } = await bus.send([message(`${n}`)])
    assert.ok(
      failures.every(({ error, retryable }) => error.code === 'STORE_SYNC_FAILED' && !retryable),
      JSON.stringify(failures),
    )
  }
  await bus.close()
})
