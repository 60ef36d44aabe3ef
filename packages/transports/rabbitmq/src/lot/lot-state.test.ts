import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LotMessage, type LotNote, LotState } from './lot-state.ts'

const message = (id: string): LotMessage => ({ envelope: { id, type: 't', source: 's', time: '', body: '', partitionkey: 'a' }, storedAtMs: 1, sizeBytes: 1 })
const entry: LotNote = { kind: 'entry', lane: 'key:a', state: 'suspended', dueAtMs: 9, deliveries: 1, redrives: 0 }
const redriven = (letterId: string, order = letterId): LotNote => ({ kind: 'redriven', lane: 'key:a', letterId, order, redrives: 1 })
const ids = (state: LotState): string[] | undefined => state.lanes.get('key:a')?.entries.map(({ envelope }) => envelope.id)

test('entries keep their order; a lane is gone with its last one, and its notes are void', () => {
  const state = new LotState()
  state.apply(entry, message('1'), 1)
  state.apply(entry, message('2'), 2)
  assert.deepEqual(state.apply({ kind: 'lane', lane: 'key:a', state: 'suspended', dueAtMs: 20 }, undefined, 3).void, [])
  assert.deepEqual(state.apply({ kind: 'lane', lane: 'key:a', state: 'suspended', dueAtMs: 30 }, undefined, 4).void, [3])
  const [first, second] = state.lanes.get('key:a')?.entries ?? []
  assert.ok(first && second)
  assert.deepEqual([state.count, state.bytes], [2, 2])
  assert.deepEqual(state.remove(first), [1])
  assert.deepEqual([state.count, state.bytes], [1, 1])
  assert.deepEqual(state.remove(second), [2, 4])
  assert.equal(state.lanes.size, 0)
})

test('a copy that a dead owner wrote twice is one entry, and its original is known', () => {
  const state = new LotState()
  state.apply(entry, message('1'), 1)
  assert.deepEqual(state.apply(entry, message('1'), 2).void, [2])
  assert.deepEqual([state.knows('1'), state.knows('2')], [true, false])
})

test('attempts of a message outside the lot are kept with the newest note, and go into the lot with it', () => {
  const state = new LotState()
  const progress = { attempt: 1, notBeforeMs: 0, firstDeliveredAtMs: 5 }
  state.apply({ kind: 'progress', id: '1', progress }, undefined, 1)
  assert.deepEqual(state.apply({ kind: 'progress', id: '1', progress: { ...progress, attempt: 2 } }, undefined, 2).void, [1])
  assert.equal(state.progressOf('1')?.attempt, 2)
  assert.deepEqual(state.apply(entry, message('1'), 3).void, [2])
  assert.equal(state.lanes.get('key:a')?.entries[0]?.progress?.attempt, 2)
})

test('parked: closed until its own dead letter is redriven, which then is the first', () => {
  const state = new LotState()
  state.apply({ kind: 'lane', lane: 'key:a', state: 'parked', dueAtMs: 0, parkedBy: 'L2', deadId: '0' }, undefined, 1)
  state.apply({ ...entry, state: 'parked' } as LotNote, message('1'), 2)
  assert.equal(state.knows('0'), true)
  state.apply(redriven('L1'), message('x'), 3)
  assert.equal(state.lanes.get('key:a')?.state, 'parked')
  const opened = state.apply(redriven('L2'), message('0'), 4)
  assert.deepEqual([opened.rewrite, state.lanes.get('key:a')?.state], [true, 'suspended'])
  assert.deepEqual(ids(state), ['x', '0', '1'])
})

test('discarded: the successors follow; with none the lane is gone with all its notes', () => {
  const state = new LotState()
  const parked: LotNote = { kind: 'lane', lane: 'key:a', state: 'parked', dueAtMs: 0, parkedBy: 'L', deadId: '0' }
  state.apply(parked, undefined, 1)
  assert.deepEqual(state.apply({ kind: 'discarded', lane: 'key:a', letterId: 'other' }, undefined, 2).void, [2])
  assert.deepEqual(state.apply({ kind: 'discarded', lane: 'key:a', letterId: 'L' }, undefined, 3).void, [3, 1])
  assert.equal(state.lanes.size, 0)
})
