import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '@sluice/core/transport'
import { type LaterNote, LaterState } from './later-state.ts'

const wait = (id: string, dueAtMs: number, copy?: { readonly of: number; readonly order: number }): LaterNote => {
  return { kind: 'wait', id, channel: 'c', messageId: `m-${id}`, dueAtMs, ...copy }
}
const claim = (id: string, ...entries: readonly string[]): LaterNote => {
  return { kind: 'claim', id, channel: 'c', entries, producer: { id: '7', epoch: 0 }, sequences: {} }
}
const cancel = (id: string): LaterNote => ({ kind: 'cancel', channel: 'c', messageId: `m-${id}`, writeId: 'w' })

/** A log from `start` on, read to its end. */
function read(log: readonly (LaterNote | undefined)[], start = 0): LaterState {
  const state = new LaterState(start)
  log.forEach((note, offset) => void (note !== undefined && offset >= start && state.apply(note, undefined, offset)))
  return state
}

const claimed = (state: LaterState): string[] => state.claim('c')?.entries.map(({ id }) => id) ?? []

test('due in the order of due times, and of sending', () => {
  const state = read([wait('late', 30), wait('b', 10), wait('a', 5), wait('c', 10)])
  assert.equal(state.nextDueMs('c'), 5)
  assert.deepEqual(
    state.due('c', 10, 1_000, 1).map(({ id }) => id),
    ['a', 'b', 'c'],
  )
  assert.deepEqual(
    state.due('c', 10, 5, 4).map(({ id }) => id),
    ['a'],
    'at least one, and no more than fits',
  )
})

test('cancelled while it waits: once, and not when it is claimed', () => {
  const state = read([wait('a', 5), wait('b', 5)])
  assert.deepEqual([state.apply(cancel('a'), undefined, 2), state.apply(cancel('a'), undefined, 3)], [1, 0])
  state.apply(claim('k', 'a', 'b'), undefined, 4)
  assert.deepEqual(claimed(state), ['b'], 'what was cancelled before is not claimed')
  assert.equal(state.apply(cancel('b'), undefined, 5), 0)
})

test('of two who claim the same the first does; both read the same claims in the same order', () => {
  const state = read([wait('a', 5), wait('b', 6), claim('k1', 'a'), claim('k2', 'a', 'b'), claim('k3', 'a')])
  assert.deepEqual([claimed(state), state.claims('c')], [['a'], 2])
  state.apply({ kind: 'gone', claim: 'k1', entries: ['a'] }, undefined, 5)
  assert.deepEqual([claimed(state), state.count, state.waiting('c')], [['b'], 1, 0])
  state.apply({ kind: 'void', claim: 'k2' }, undefined, 6)
  assert.deepEqual([state.claims('c'), state.waiting('c')], [0, 1])
})

test('copies let what is before them go; a copy of what is over is none', () => {
  const log = [wait('a', 50), wait('b', 60), cancel('b'), wait('a', 50, { of: 0, order: 0 }), wait('b', 60, { of: 1, order: 1 })]
  const state = read(log)
  assert.deepEqual([state.waiting('c'), state.firstPosition(5), [...state.dead]], [1, 3, ['b']])
  const tidied: LaterNote = { kind: 'tidied', before: 3, dead: ['b'] }
  for (const start of [0, 3]) {
    const late = read([...log, tidied, wait('b', 60, { of: 1, order: 1 })], start)
    assert.deepEqual([late.waiting('c'), late.due('c', 99, 99, 0)[0]?.id], [1, 'a'], `read from ${start}`)
  }
})

test('whoever begins to read behind what was deleted comes to the same, whatever was written', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed)
    const pick = (count: number): number => Math.floor(random() * count)
    const log: LaterNote[] = []
    const state = new LaterState(0)
    const put = (note: LaterNote): void => {
      state.apply(note, undefined, log.length)
      log.push(note)
    }
    let start = 0
    for (let step = 0; step < 80; step++) {
      const known = [...state.entries()]
      const some = known.filter(() => random() < 0.4).map(({ id }) => id)
      const first = state.claim('c')
      const kind = pick(6)
      if (kind < 2) put(wait(`${step}`, pick(100)))
      else if (kind === 2 && known.length > 0) put(cancel(known[pick(known.length)]?.id ?? ''))
      else if (kind === 3 && some.length > 0) put(claim(`k${step}`, ...some))
      else if (kind === 4 && first !== undefined)
        put(random() < 0.2 ? { kind: 'void', claim: first.id } : { kind: 'gone', claim: first.id, entries: first.entries.map(({ id }) => id) })
      else if (kind === 5) {
        // As whoever tidies does it, while others cancel and claim between his copies.
        for (const { id, dueAtMs, position, order, isClaimed } of known) {
          if (isClaimed) continue
          if (random() < 0.2) put(cancel(id))
          if (random() < 0.1) put(claim(`k${step}-${id}`, id))
          put(wait(id, dueAtMs, { of: position, order }))
        }
        if (state.dead.length > 0 && state.claim('c') !== undefined) continue
        const before = state.firstPosition(log.length)
        put({ kind: 'tidied', before, dead: [...state.dead] })
        start = before
      }
    }
    const view = (one: LaterState): unknown => [
      one.due('c', 1_000, 1e9, 0).map(({ id, dueAtMs, order }) => [id, dueAtMs, order]),
      [...Array(one.claims('c')).keys()].length,
      claimed(one),
    ]
    assert.deepEqual(view(read(log, start)), view(state), `seed ${seed}`)
  }
})
