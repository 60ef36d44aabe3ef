import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { schema } from '../file/format.ts'
import { Database } from '../sqlite/connection.ts'
import { appendMessages } from './append.ts'
import { ChannelReader } from './reader.ts'

const channelId = 1

/** A log of blocks of ten messages each. */
function logOf(t: TestContext, blocks: number): Database {
  const db = new Database(new DatabaseSync(':memory:'))
  t.after(() => db.close())
  db.exec(schema)
  db.run("INSERT INTO channel (id, name, kind, partitions) VALUES (?, 'c', 'events', 8)", channelId)
  const entries = Array.from({ length: 10 }, (_, n) => ({
    envelope: { id: `id-${n}`, type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: `${n}` },
    hash: n,
    sizeBytes: 100,
  }))
  for (let n = 0; n < blocks; n++) appendMessages(db, channelId, entries, n + 1, 1)
  return db
}

test('a block stays until all who read have passed it, and goes then', (t) => {
  const db = logOf(t, 4)
  const reader = new ChannelReader(db, channelId, 1_000_000)
  const [fast, slow] = [{}, {}]
  reader.passed(fast, 1)
  reader.passed(slow, 1)
  const first = reader.next(1, 4)
  assert.equal(first?.first, 1)
  assert.equal(reader.next(11, 4)?.first, 11)
  // Whoever finds something from here on found it in memory.
  db.run('DELETE FROM block')
  reader.passed(fast, 21)
  assert.equal(reader.next(1, 4), first, 'the slow one has not passed it')
  assert.equal(reader.next(15, 4)?.first, 11, 'from the middle of a block, too')
  reader.passed(slow, 11)
  assert.equal(reader.next(11, 4)?.first, 11)
  assert.notEqual(reader.next(1, 4)?.first, 1, 'passed by both')
  reader.passed(slow, Infinity)
  assert.equal(reader.next(21, 4)?.first, 21, 'who reads no more keeps nothing')
  assert.notEqual(reader.next(11, 4)?.first, 11)
})

test('before anybody has passed anything, blocks stay within the bounds', (t) => {
  const db = logOf(t, 8)
  const reader = new ChannelReader(db, channelId, 3_000)
  assert.equal(reader.next(1, 8)?.first, 1)
  db.run('DELETE FROM block')
  assert.equal(reader.next(51, 8)?.first, 51)
  assert.equal(reader.next(71, 8)?.first, 71)
  assert.notEqual(reader.next(41, 8)?.first, 41, 'three blocks of 1,000 bytes were kept')
})
