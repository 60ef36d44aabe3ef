import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killAt, skip } from './killed-run.ts'

/** Runs that end before their number, one after the other: no thread writes more often. */
const enough = 3

test('kill -9 at every pwrite64, without leaving one out', { skip, timeout: 900_000 }, async (t) => {
  let when = 1
  for (let ended = 0; ended < enough; when++) ended = (await killAt('pwrite64', when)) ? ended + 1 : 0
  t.diagnostic(`killed at each of ${when - 1 - enough} writes`)
  assert.ok(when > 40, `the workload wrote ${when} times only`)
})
