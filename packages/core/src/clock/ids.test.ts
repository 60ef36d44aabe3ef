import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from './ids.ts'

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('ids are UUIDs of version 7 that carry their time and increase strictly, also within a millisecond and when the clock goes back', () => {
  const startMs = 0xfed_cba9_8765
  let last = ''
  for (let n = 0; n < 20_000; n++) {
    // 5,000 ids a step, more than the counter holds, and a clock that stumbles.
    const nowMs = startMs + Math.floor(n / 5000) * 3 - (n % 7 === 0 ? 2 : 0)
    const id = newId(nowMs)
    assert.match(id, uuid7)
    assert.ok(id > last, `${id} after ${last}`)
    const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
    assert.ok(ms >= nowMs && ms <= nowMs + 6, `${ms} for ${nowMs}`)
    last = id
  }
})

test('the random part of an id has every digit at every place', () => {
  const seen = Array.from({ length: 36 }, () => new Set<string>())
  for (let n = 0; n < 5000; n++) for (const [at, digit] of [...newId()].entries()) seen[at]?.add(digit)
  for (let at = 20; at < 36; at++) if (at !== 23) assert.equal(seen[at]?.size, 16, `place ${at}`)
  assert.deepEqual([...(seen[19] ?? [])].sort(), ['8', '9', 'a', 'b'])
})
