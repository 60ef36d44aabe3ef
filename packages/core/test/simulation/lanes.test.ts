import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './simulate.ts'

// Order, completeness, bounded attempts, no overlap, bounded memory and no deadlock, under deaths, hand-overs, lost
// leases, failing calls, lost settlements, redrives and clock jumps. `SEED=… node packages/core/test/simulation/replay.ts`
// prints any of these runs.

const seedsPerTest = 1_500
const tests = 4

for (let part = 0; part < tests; part++) {
  const from = part * seedsPerTest
  test(`lanes keep their promises: seeds ${from} to ${from + seedsPerTest - 1}`, () => {
    let starts = 0
    for (let seed = from; seed < from + seedsPerTest; seed++) {
      const result = simulate(seed)
      starts += result.starts
      assert.deepEqual(result.violations, [], `seed ${seed}: SEED=${seed} node packages/core/test/simulation/replay.ts`)
    }
    assert.ok(starts > 20 * seedsPerTest, `only ${starts} handlers were started: the simulation tests nothing`)
  })
}

test('a seed replays exactly', () => {
  assert.deepEqual(simulate(7, true), simulate(7, true))
})
