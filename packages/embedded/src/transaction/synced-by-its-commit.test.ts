import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { context, message, place } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { systemSyncCalls } from '../commit/wal-sync.ts'
import { declareTopology } from '../group/declare.ts'
import { embeddedOptions } from '../options.ts'
import { LentTransactions } from './lent-transaction.ts'

interface Scene {
  readonly bus: BusFile
  readonly lent: LentTransactions
  readonly app: DatabaseSync
  readonly path: string
}

/** A bus whose own syncs stand still: whatever becomes synced here, somebody else's commit synced. */
async function scene(t: TestContext, synchronous: 'FULL' | 'NORMAL'): Promise<Scene> {
  const path = place(t)
  const held: (() => void)[] = []
  let still = false
  const its = context()
  const bus = await BusFile.open(path, its, embeddedOptions(its), {
    sync: (fd, done) => {
      if (still) held.push(() => systemSyncCalls.sync(fd, done))
      else systemSyncCalls.sync(fd, done)
    },
    syncNow: systemSyncCalls.syncNow,
  })
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 8))
  await bus.writer.drain()
  still = true
  const lent = new LentTransactions(bus)
  const app = new DatabaseSync(path)
  app.exec(`PRAGMA synchronous = ${synchronous}`)
  t.after(async () => {
    still = false
    for (const go of held.splice(0)) go()
    lent.close()
    app.close()
    await bus.close()
  })
  return { bus, lent, app, path }
}

test('a commit with synchronous = FULL is on the disk: it is announced without another sync', { skip: process.platform === 'darwin' }, async (t) => {
  const { bus, lent, app } = await scene(t, 'FULL')
  app.exec('BEGIN')
  lent.send([message('x')], app, undefined)
  app.exec('COMMIT')
  await sleep(50)
  assert.equal(bus.sync.syncedSeq, bus.committedSeq())
})

test('a commit with synchronous = NORMAL is not', async (t) => {
  const { bus, lent, app } = await scene(t, 'NORMAL')
  app.exec('BEGIN')
  lent.send([message('x')], app, undefined)
  app.exec('COMMIT')
  await sleep(50)
  assert.equal(bus.sync.syncedSeq, bus.committedSeq() - 1)
})

test('after a rollback somebody else may get its number: that commit is not taken for synced', async (t) => {
  const { bus, lent, app, path } = await scene(t, 'FULL')
  const before = bus.committedSeq()
  app.exec('BEGIN')
  lent.send([message('x')], app, undefined)
  app.exec('ROLLBACK')
  const other = new DatabaseSync(path)
  other.exec('PRAGMA synchronous = NORMAL; UPDATE state SET commit_seq = commit_seq + 1')
  await sleep(50)
  assert.equal(bus.committedSeq(), before + 1)
  assert.equal(bus.sync.syncedSeq, before)
  other.close()
})

test('of several transactions in one turn the last is rolled back: those before it are announced', async (t) => {
  const { bus, lent, app } = await scene(t, 'NORMAL')
  const before = bus.committedSeq()
  for (const end of ['COMMIT', 'COMMIT', 'ROLLBACK']) {
    app.exec('BEGIN')
    lent.send([message('x')], app, undefined)
    app.exec(end)
  }
  // Before the safety look of a second.
  await sleep(100)
  assert.equal(bus.seenSeq, before + 2)
})

test('a transaction that stays open does not hide the one before it', async (t) => {
  const { bus, lent, app } = await scene(t, 'NORMAL')
  const before = bus.committedSeq()
  app.exec('BEGIN')
  lent.send([message('x')], app, undefined)
  app.exec('COMMIT; BEGIN')
  lent.send([message('y')], app, undefined)
  await sleep(100)
  assert.equal(bus.seenSeq, before + 1)
  app.exec('COMMIT')
  await sleep(100)
  assert.equal(bus.seenSeq, before + 2)
})
