/**
 * Replays seeds of the engine's simulation: `SEED=17 node packages/embedded/test/simulation/replay.ts` with its trace;
 * without SEED, looks for failing ones (SEEDS, from FROM) and ends with 1 at the first.
 */
import { simulate } from './simulate.ts'

const { SEED, SEEDS = '200', FROM = '0', KEEP_GOING } = process.env
if (SEED !== undefined) {
  const result = await simulate(Number(SEED), true)
  process.stdout.write(`${result.trace.join('\n')}\n${result.violations.length === 0 ? 'no violation' : result.violations.join('\n')}\n`)
  process.exitCode = result.violations.length === 0 ? 0 : 1
} else {
  const sums = { messages: 0, starts: 0, commits: 0, takeovers: 0, deaths: 0, staleStarts: 0 }
  let failed = 0
  const begun = process.cpuUsage()
  let seed = Number(FROM)
  for (; seed < Number(FROM) + Number(SEEDS) && (failed === 0 || KEEP_GOING !== undefined); seed++) {
    const result = await simulate(seed)
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += result[name]
    if (result.violations.length === 0) continue
    failed++
    process.stdout.write(`seed ${seed}: ${result.violations[0]}\n`)
  }
  const figures = Object.entries(sums).map(([name, count]) => `${count} ${name}`)
  process.stdout.write(
    `${failed} failed; ${seed - Number(FROM)} seeds, ${figures.join(', ')} in ${Math.round(process.cpuUsage(begun).user / 1000)} ms of CPU time\n`,
  )
  process.exitCode = failed === 0 ? 0 : 1
}
process.exit()
