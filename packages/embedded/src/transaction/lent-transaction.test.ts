import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { isSluiceError, type Transport } from '@sluice/core/transport'
import { bodies, joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'

interface Scene {
  readonly bus: Transport
  readonly app: DatabaseSync
  readonly path: string
}

async function scene(t: TestContext): Promise<Scene> {
  const path = place(t)
  const bus = await openBus(path)
  const app = new DatabaseSync(path)
  app.exec('CREATE TABLE business (id INTEGER PRIMARY KEY, what TEXT)')
  return { bus, app, path }
}

const rejects = (promise: Promise<unknown>, code: string): Promise<void> => assert.rejects(promise, (error) => isSluiceError(error) && error.code === code)

test('commit is the send: the row and the message are there together, and a waiting consumer wakes', async (t) => {
  const { bus, app } = await scene(t)
  const consumer = await joinGroup(bus)
  const coming = take(consumer, 2)
  app.exec('BEGIN')
  app.exec("INSERT INTO business (what) VALUES ('order')")
  assert.deepEqual((await bus.send([message('1', 'k')], { transaction: app })).failures, [])
  assert.deepEqual((await bus.send([message('2', 'k')], { transaction: app })).failures, [])
  assert.equal((await bus.admin.channels())[0]?.stored, 0, 'not before the commit')
  const startMs = performance.now()
  app.exec('COMMIT')
  assert.deepEqual(bodies(await coming), ['1', '2'])
  assert.ok(performance.now() - startMs < 500)
  app.close()
  await bus.close()
})

test('rollback: nothing was sent', async (t) => {
  const { bus, app } = await scene(t)
  app.exec('BEGIN')
  await bus.send([message('no')], { transaction: app })
  app.exec('ROLLBACK')
  assert.deepEqual((await bus.send([message('yes')])).failures, [])
  const { messages } = await bus.admin.browse('c', { limit: 10 })
  assert.deepEqual(
    messages.map(({ body }) => body),
    ['yes'],
  )
  app.close()
  await bus.close()
})

test('other publishes wait while the transaction is open, without stalling the loop', async (t) => {
  const { bus, app } = await scene(t)
  app.exec('BEGIN')
  await bus.send([message('inside')], { transaction: app })
  let confirmed = false
  const outside = bus.send([message('outside')]).then(() => {
    confirmed = true
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(confirmed, false)
  app.exec('COMMIT')
  await outside
  assert.equal((await bus.admin.channels())[0]?.stored, 2)
  app.close()
  await bus.close()
})

test('channels that are missing are created inside the transaction', async (t) => {
  const { bus, app } = await scene(t)
  app.exec('BEGIN')
  const report = await bus.send([message('x', undefined, 'new')], { transaction: app, topology: { channels: [{ name: 'new', kind: 'events' }], groups: [] } })
  assert.deepEqual(report.failures, [])
  app.exec('COMMIT')
  assert.ok((await bus.admin.channels()).some(({ channel, stored }) => channel === 'new' && stored === 1))
  app.close()
  await bus.close()
})

test('what cannot be a transaction of this bus is refused, and the transaction goes on', async (t) => {
  const { bus, app, path } = await scene(t)
  await rejects(bus.send([message('x')], { transaction: app }), 'INVALID_OPTION')
  await rejects(bus.send([message('x')], { transaction: {} }), 'INVALID_OPTION')
  copyFileSync(path, `${path}.copy`)
  const other = new DatabaseSync(`${path}.copy`)
  other.exec('BEGIN')
  await rejects(bus.send([message('x')], { transaction: other }), 'INVALID_OPTION')
  other.close()
  const careless = new DatabaseSync(path)
  careless.exec('PRAGMA synchronous = OFF')
  careless.exec('BEGIN')
  await rejects(bus.send([message('x')], { transaction: careless }), 'INVALID_OPTION')
  careless.close()
  app.exec('BEGIN')
  app.exec("INSERT INTO business (what) VALUES ('kept')")
  await rejects(bus.send([message('x')], { transaction: app, topology: { channels: [{ name: 'c', kind: 'commands' }], groups: [] } }), 'CONTRACT_CONFLICT')
  app.exec('COMMIT')
  assert.equal(app.prepare('SELECT count(*) AS n FROM business').get()?.['n'], 1)
  assert.equal((await bus.admin.channels())[0]?.stored, 0)
  app.close()
  await bus.close()
})

test('a connection of another SQLite library is found out at its first use', async (t) => {
  const { bus, app } = await scene(t)
  // Another library does not see this one's locks: a connection whose write takes none here.
  const foreign = {
    isTransaction: true,
    exec: () => undefined,
    close: () => undefined,
    prepare: (sql: string) =>
      sql.startsWith('UPDATE state')
        ? { run: () => ({ changes: 1 }), get: () => ({ commit_seq: 1 }), all: () => [] }
        : app.prepare(sql.startsWith('SAVEPOINT') || sql.startsWith('R') ? 'SELECT 1' : sql),
  }
  await rejects(bus.send([message('x')], { transaction: foreign }), 'SQLITE_TWO_LIBRARIES')
  app.close()
  await bus.close()
})
