import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recovery } from './recovery.ts'

const names = ['send', 'g', 'h']

test('whoever is connected and does nothing is found, by name, though the others go on', async () => {
  let n = 0
  const progress = (): ReadonlyMap<string, number> =>
    new Map([
      ['send', ++n],
      ['g', n],
      ['h', 7],
    ] as const)
  await assert.rejects(
    recovery(progress, names, () => true, 60),
    /nothing goes on for 60 ms after the fault: h$/,
  )
})

test('it ends when each has gone on, whenever that was, and when nothing more is to come', async () => {
  let n = 0
  const progress = (): ReadonlyMap<string, number> =>
    new Map([
      ['send', ++n],
      ['g', Math.min(n, 2)],
      ['h', n > 3 ? 1 : 0],
    ] as const)
  assert.ok((await recovery(progress, names, () => true)) >= 0)
  assert.ok(n > 3)
  await recovery(
    () => new Map(),
    names,
    () => false,
  )
})
