import assert from 'node:assert/strict'
import { closeSync, copyFileSync, openSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { message, openBus, place } from '../../test/bus-file.ts'
import { openWithNode } from '../file/open.ts'
import { Database } from '../sqlite/connection.ts'
import { extendWal, walSpace } from './wal-space.ts'

const frameBytes = 4096 + 24

test('the used part of a log is counted in frames, across restarts, and zeros behind it are the end', async (t) => {
  const path = place(t)
  const db = new Database(openWithNode(path))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE n (id INTEGER PRIMARY KEY)')
  const fd = openSync(`${path}-wal`, 'r+')
  const insert = (): void => void db.run('INSERT INTO n DEFAULT VALUES')
  const used = (): number => walSpace(fd).usedBytes
  const before = used()
  assert.equal(before, statSync(`${path}-wal`).size)
  for (let i = 0; i < 10; i++) insert()
  assert.equal(used() - before, 10 * frameBytes)

  db.exec('BEGIN IMMEDIATE')
  assert.ok(extendWal(fd, `${path}-wal`))
  db.exec('ROLLBACK')
  assert.equal(used() - before, 10 * frameBytes)
  const { sizeBytes, usedBytes } = walSpace(fd)
  assert.equal(sizeBytes - usedBytes, 1024 * 1024)
  insert()
  assert.equal(used() - usedBytes, frameBytes)
  assert.equal(walSpace(fd).sizeBytes, sizeBytes)

  // As after a crash: the same bytes, and nobody has them open.
  for (const part of ['', '-wal']) copyFileSync(path + part, `${path}.copy${part}`)
  const copy = new Database(openWithNode(`${path}.copy`))
  assert.equal(copy.one<{ n: number }>('SELECT count(*) AS n FROM n').n, 11)
  assert.equal(copy.one<{ integrity_check: string }>('PRAGMA integrity_check').integrity_check, 'ok')
  copy.close()

  db.one('PRAGMA wal_checkpoint(RESTART)')
  insert()
  assert.equal(used(), 32 + frameBytes, 'frames of the turn before are free')
  closeSync(fd)
  db.close()
})

test('a log in use has room ahead, so that no sync has to make the file grow', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  const fd = openSync(`${path}-wal`, 'r')
  const free = (): number => {
    const { sizeBytes, usedBytes } = walSpace(fd)
    return sizeBytes - usedBytes
  }
  assert.equal(free(), 0, 'nothing for a bus that is hardly used')
  for (let i = 0; i < 2000 && free() === 0; i++) await bus.send([message('x')])
  assert.ok(free() > 512 * 1024)
  closeSync(fd)
  await bus.close()
})
