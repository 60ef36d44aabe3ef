import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ratioInterval } from './interval.ts'

test('the interval is symmetric on the scale of ratios and narrows with the number of pairs', () => {
  const four = ratioInterval([0.8, 1.25, 0.8, 1.25])
  assert.ok(Math.abs(four.mean - 1) < 1e-12)
  assert.ok(Math.abs((four.low ?? 0) * (four.high ?? 0) - 1) < 1e-12)
  // By hand: standard deviation of ln 0.8 and ln 1.25, twice each, is 0.2577; t(3) = 3.182.
  assert.ok(Math.abs((four.low ?? 0) - Math.exp((-3.182 * 0.25766) / 2)) < 1e-3)
  const eight = ratioInterval([0.8, 1.25, 0.8, 1.25, 0.8, 1.25, 0.8, 1.25])
  assert.ok((eight.low ?? 0) > (four.low ?? 1))
})

test('one pair has no interval', () => {
  assert.deepEqual(ratioInterval([0.9]).low, undefined)
})
