/**
 * The everyday share of planted bugs: one of each damaged file that a quick check of the core or the engine catches. All of
 * them: `node tools/planted/main.ts`, and `npm run full`.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PlantedBug } from './bug.ts'
import { bugs } from './bugs/index.ts'
import { checkOf } from './checks.ts'
import { show } from './show.ts'

const budgetMs = 120_000
/** Its check fails by its time-out of a minute only. */
const hangs = 'a reader waits for ever for a writer that never rings'
const share = new Map<string, readonly [PlantedBug, string]>()
for (const bug of bugs) {
  // A test file or a title in it: the suites and the simulations start more than one bug is worth.
  const quick = bug.caughtBy.find((name) => name.startsWith('packages/') && !checkOf(name).slow)
  if (quick !== undefined && bug.bug !== hangs && !share.has(bug.file)) share.set(bug.file, [bug, quick])
}

describe('planted bugs', { concurrency: 2 }, () => {
  for (const [bug, check] of share.values())
    test(`${bug.bug}: caught`, async () => {
      const { outcome, output } = await show(bug, check, budgetMs)
      assert.ok(outcome === 'caught' || outcome === 'hung', `${outcome} by ${check}\n${output.slice(-2_000)}`)
    })
})
