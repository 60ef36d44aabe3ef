/**
 * Replays seeds of the dispatcher's simulation: `SEED=17 node packages/core/test/simulation/dispatcher/replay.ts` with its
 * trace; without SEED, looks for failing ones (SEEDS, from FROM) and ends with 1 at the first.
 */
import { simulateDispatcher } from './simulate.ts'

const { SEED, SEEDS = '1500', FROM = '0' } = process.env
if (SEED !== undefined) {
  const result = await simulateDispatcher(Number(SEED), true)
  process.stdout.write(`${result.trace.join('\n')}\n${result.violations.length === 0 ? 'no violation' : result.violations.join('\n')}\n`)
  process.exitCode = result.violations.length === 0 ? 0 : 1
} else {
  let starts = 0
  let failed = 0
  const begun = performance.now()
  let seed = Number(FROM)
  for (; seed < Number(FROM) + Number(SEEDS) && failed === 0; seed++) {
    const result = await simulateDispatcher(seed)
    starts += result.starts
    if (result.violations.length === 0) continue
    failed++
    process.stdout.write(`seed ${seed}: ${result.violations[0]}\n`)
  }
  process.stdout.write(`${failed} failed; ${seed - Number(FROM)} seeds, ${starts} handler starts in ${Math.round(performance.now() - begun)} ms\n`)
  process.exitCode = failed === 0 ? 0 : 1
}
