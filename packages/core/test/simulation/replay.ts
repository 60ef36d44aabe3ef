/** Replays seeds with their trace: `SEED=17 node packages/core/test/simulation/replay.ts`; without SEED, looks for a failing one. */
import { simulate } from './simulate.ts'

const { SEED, SEEDS = '10000', FROM = '0' } = process.env
if (SEED !== undefined) {
  const result = simulate(Number(SEED), true)
  process.stdout.write(`${result.trace.join('\n')}\n${result.violations.length === 0 ? 'no violation' : result.violations.join('\n')}\n`)
  process.exitCode = result.violations.length === 0 ? 0 : 1
} else {
  let starts = 0
  let failed = 0
  const begun = performance.now()
  for (let seed = Number(FROM); seed < Number(FROM) + Number(SEEDS) && failed < 10; seed++) {
    const result = simulate(seed)
    starts += result.starts
    if (result.violations.length === 0) continue
    failed++
    process.stdout.write(`seed ${seed}: ${result.violations[0]}\n`)
  }
  process.stdout.write(`${failed} failed; ${starts} handler starts in ${Math.round(performance.now() - begun)} ms\n`)
  process.exitCode = failed === 0 ? 0 : 1
}
