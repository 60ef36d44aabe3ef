import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { message, place } from '../../test/bus-file.ts'
import { openFile, openWithNode } from '../file/open.ts'
import { storeOutgoing } from '../send/store-outgoing.ts'
import type { Database } from '../sqlite/connection.ts'
import { declareTopology } from './declare.ts'
import { OwnedPartition } from './owned-partition.ts'
import { freePartition, partitionRows, takePartition, writeProgress } from './ownership.ts'

/** A group with one partition and three messages, and two members of one process. */
async function groupOfTwo(t: TestContext): Promise<{ db: Database; take(member: number, seen?: ReturnType<typeof rowOf>): OwnedPartition | undefined }> {
  const { db } = await openFile(place(t), openWithNode)
  const group = { channel: 'c', group: 'g', from: 'start', order: 'key', ephemeral: false } as const
  declareTopology(db, { channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [group] }, 1)
  storeOutgoing(db, [message('a', 'k'), message('b', 'k'), message('c', 'k')], 1, 0)
  for (const id of [1, 2]) db.run('INSERT INTO member (id, process_id, group_id, types, in_flight) VALUES (?, 1, 1, ?, 0)', id, '["t"]')
  return {
    db,
    take: (member, seen = rowOf(db)) => {
      const taken = takePartition(db, 1, seen, member)
      return taken === undefined ? undefined : new OwnedPartition(taken.row, taken.row.epoch, taken.attempts)
    },
  }
}

function rowOf(db: Database): ReturnType<typeof partitionRows>[number] {
  const [row] = partitionRows(db, 1)
  assert.ok(row !== undefined)
  return row
}

function leave(db: Database, member: number): void {
  db.run('DELETE FROM member WHERE id = ?', member)
}

test('who lives keeps what it owns, and only one of two who saw it free gets it', async (t) => {
  const { db, take } = await groupOfTwo(t)
  const free = rowOf(db)
  assert.ok(take(1, free))
  assert.equal(take(2), undefined)
  leave(db, 1)
  assert.equal(take(2, free), undefined, 'seen before it changed hands')
  assert.ok(take(2))
})

test('each ownership has an epoch of its own, and only the last one writes', async (t) => {
  const { db, take } = await groupOfTwo(t)
  const first = take(1)
  assert.ok(first)
  leave(db, 1)
  const second = take(2)
  assert.ok(second)
  assert.equal(second.epoch, first.epoch + 1)
  first.readFrom = 4
  assert.equal(writeProgress(db, 1, 1, first), false)
  assert.equal(rowOf(db).cursor, 1)
  assert.equal(writeProgress(db, 1, 2, second), true)

  // The same member again: what it held before is not what it holds now.
  freePartition(db, 1, 2, second, undefined)
  const third = take(2)
  assert.ok(third)
  second.readFrom = 4
  assert.equal(writeProgress(db, 1, 2, second), false)
  assert.equal(rowOf(db).cursor, 1)
  freePartition(db, 1, 2, second, undefined)
  assert.equal(rowOf(db).owner, 2, 'an earlier ownership gives nothing up')
})

test('after a death what was claimed is suspect and the death is counted; after a hand-over nothing is', async (t) => {
  const { db, take } = await groupOfTwo(t)
  const first = take(1)
  assert.ok(first)
  first.readFrom = 3
  assert.ok(writeProgress(db, 1, 1, first))
  const { claimed } = rowOf(db)
  leave(db, 1)
  const second = take(2)
  assert.ok(second)
  assert.deepEqual([second.suspectBefore, second.deaths], [claimed, 1])

  const other = await groupOfTwo(t)
  const calm = other.take(1)
  assert.ok(calm)
  assert.ok(writeProgress(other.db, 1, 1, calm))
  freePartition(other.db, 1, 1, calm, undefined)
  const next = other.take(2)
  assert.deepEqual([next?.suspectBefore, next?.deaths], [0, 0])
})
