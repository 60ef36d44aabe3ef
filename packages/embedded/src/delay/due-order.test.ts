import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message, place } from '../../test/bus-file.ts'
import { openFile, openWithNode } from '../file/open.ts'
import { declareChannel } from '../group/declare.ts'
import { ChannelReader } from '../log/reader.ts'
import { moveDue, storeDelayed } from './delayed-rows.ts'

test('delayed messages are moved in the order of their due times, none early, none twice', async (t) => {
  const { db } = await openFile(place(t), openWithNode)
  const channel = declareChannel(db, { name: 'c', kind: 'events' }, 1)
  for (const dueAtMs of [50, 10, 40, 20, 30]) storeDelayed(db, channel.id, message(`${dueAtMs}`), dueAtMs)
  const moved = (): string[] => {
    const reader = new ChannelReader(db, channel.id, 0)
    const bodies: string[] = []
    for (let block = reader.next(1, 0); block !== undefined; block = reader.next(block.end, 0))
      for (let i = 0; i < block.count; i++) bodies.push(String(block.envelopeAt(i).body))
    return bodies
  }
  assert.equal(moveDue(db, 9, 100, 1).count, 0)
  assert.equal(moveDue(db, 30, 2, 1).count, 2)
  assert.equal(db.one<{ next_due_ms: number }>('SELECT next_due_ms FROM state').next_due_ms, 30)
  assert.equal(moveDue(db, 49, 100, 2).count, 2)
  assert.equal(moveDue(db, 50, 100, 3).count, 1)
  assert.equal(moveDue(db, 1_000, 100, 4).count, 0)
  assert.deepEqual(moved(), ['10', '20', '30', '40', '50'])
  db.close()
})
