import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeadLetterReason, Envelope } from '@sluice/core/transport'
import { type LotMessage, type LotNote, LotState } from './lot-state.ts'

const reason: DeadLetterReason = {
  ...{ code: 'X', message: 'm', attempts: 1, deliveries: 1, firstDeliveredAtMs: 1, deadLetteredAtMs: 2, service: 's', instanceId: 'i', fingerprint: 'f' },
}
const message = (id: string): LotMessage => {
  const envelope: Envelope = { id, type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: id }
  return { envelope, sizeBytes: 1 }
}
const entry = (id: string, offset: number, lane = 'key:a', state: 'suspended' | 'parked' = 'suspended'): LotNote => ({
  ...{ kind: 'entry', id, lane, state, dueAtMs: 5, deliveries: 1, redrives: 0, offset, storedAtMs: 1 },
})
const letter = (id: string, offset: number, park: boolean, entryId?: string): LotNote => ({
  ...{ kind: 'letter', id, lane: 'key:a', park, reason, redrives: 0, offset, storedAtMs: 1, ...(entryId === undefined ? {} : { entryId }) },
})

function put(state: LotState, ...notes: readonly LotNote[]): void {
  for (const note of notes) state.apply(note, note.kind === 'entry' || note.kind === 'letter' ? message(`m${note.offset}`) : undefined)
}

/** All that an owner or an administrator can see of it. */
function view(state: LotState): unknown {
  return {
    lanes: [...state.lanes.values()].map(({ name, state: kind, dueAtMs, parkedBy, entries }) => [
      ...[name, kind, dueAtMs, parkedBy],
      entries.map(({ envelope, attempts, redrives, isBegun }) => [envelope.id, attempts, redrives, isBegun]),
    ]),
    letters: state.deadLetters(),
    attempts: [...state.attempts],
  }
}

test('parked behind its dead letter; redriven it comes first, attempts begin anew', () => {
  const state = new LotState()
  put(state, letter('d', 1, true), entry('e2', 2, 'key:a', 'parked'), entry('e3', 3, 'key:a', 'parked'))
  assert.equal(state.deadLetters()[0]?.parkedBehind, 2)
  assert.equal(state.lanes.get('key:a')?.state, 'parked')
  const applied = state.apply({ kind: 'redrive', ids: ['d', 'unknown'], writeId: 'w' }, undefined)
  assert.deepEqual([applied.count, applied.writeId], [1, 'w'])
  const lane = state.lanes.get('key:a')
  assert.deepEqual([lane?.state, lane?.dueAtMs, lane?.entries.map(({ envelope }) => envelope.id)], ['suspended', 0, ['m1', 'm2', 'm3']])
  assert.equal(lane?.entries[0]?.redrives, 1)
  assert.equal(state.apply({ kind: 'redrive', ids: ['d'], writeId: 'w2' }, undefined).count, 0, 'of two who redrive it, one does')
})

test('written twice, because the fate of the first time was not known: there once, gone once', () => {
  const state = new LotState()
  put(state, entry('e1', 1), entry('e2', 2), entry('e1', 1), entry('e2', 2))
  assert.equal(state.count, 2)
  assert.deepEqual(
    state.lanes.get('key:a')?.entries.map(({ offset }) => offset),
    [1, 2],
  )
  put(state, { kind: 'out', ids: ['e1', 'e2'] })
  assert.equal(state.lanes.size, 0)
})

test('discarded: the successors follow; an empty lane is gone', () => {
  const state = new LotState()
  put(state, letter('d', 1, true))
  assert.deepEqual(state.apply({ kind: 'discard', ids: ['d'], writeId: 'w' }, undefined).lanes[0]?.entries, [])
  assert.equal(state.lanes.size, 0)
  put(state, letter('d2', 1, true), entry('e', 2, 'key:a', 'parked'), { kind: 'discard', ids: ['d2'], writeId: 'w' })
  assert.equal(state.lanes.get('key:a')?.state, 'suspended')
})

test('attempts go with a message into the lot, and are gone with it', () => {
  const state = new LotState()
  const attempts = { attempt: 2, notBeforeMs: 3, firstDeliveredAtMs: 4, note: 'n' }
  put(state, { kind: 'attempts', offset: 7, attempts }, entry('e', 7))
  assert.deepEqual([state.entry('e')?.attempts, state.attempts.size], [attempts, 0])
  put(state, { kind: 'begun', ids: ['e'] })
  assert.equal(state.entry('e')?.isBegun, true)
  put(state, { kind: 'back', ids: ['e'] }, { kind: 'out', ids: ['e'] })
  assert.deepEqual([state.count, state.lanes.size], [0, 0])
})

test('what comes again from the channel is forgotten here', () => {
  const state = new LotState()
  put(state, letter('d', 1, true), entry('e2', 2, 'key:a', 'parked'), entry('e9', 9, 'key:b'), {
    kind: 'attempts',
    offset: 3,
    attempts: { ...reason, attempt: 1, notBeforeMs: 0 },
  })
  put(state, { kind: 'forget', from: 0, to: 5 })
  assert.deepEqual([state.letters.size, [...state.lanes.values()].map(({ name }) => name), state.attempts.size], [0, ['key:b'], 0])
})

test('written anew it is the same, for whoever read it before and for whoever comes then', () => {
  const state = new LotState()
  const attempts = { attempt: 1, notBeforeMs: 0, firstDeliveredAtMs: 1 }
  put(state, letter('d', 1, true), entry('e2', 2, 'key:a', 'parked'), entry('f', 4, 'key:b'), entry('g', 5, 'id:x'), { kind: 'begun', ids: ['f'] })
  put(
    state,
    { kind: 'due', lane: 'key:b', dueAtMs: 77, head: { id: 'f', attempts } },
    { kind: 'attempts', offset: 8, attempts },
    { kind: 'attempts', offset: 9, attempts },
  )
  put(state, letter('d2', 6, false), { kind: 'out', ids: ['g'] })
  const before = view(state)
  const notes = [...state.rewritten((offset) => offset === 9)]
  const fresh = new LotState()
  for (const [note, about] of notes) fresh.apply(note, about)
  assert.deepEqual(view(fresh), { ...(before as object), attempts: [[8, attempts]] })
  for (const [note, about] of notes) state.apply(note, about)
  assert.deepEqual(view(state), view(fresh))
})

test('it asks to be tidied when most of what was written has no meaning', () => {
  const state = new LotState()
  for (let i = 0; i < 600; i++) put(state, entry(`e${i}`, i), { kind: 'out', ids: [`e${i}`] })
  assert.ok(state.isUntidy)
  for (const [note] of [...state.rewritten(() => true)]) state.apply(note, undefined)
  assert.ok(!state.isUntidy)
})
