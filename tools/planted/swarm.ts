/**
 * `node tools/planted/swarm.ts [words…] [--runs 20] [--seed 9000] [--parallel 2]`: how many crash runs it takes the swarm
 * (`npm run torture`) to notice each planted bug of the engine and the dispatcher (those whose description or file has one
 * of the words). One row of a table for each; exit 0 whatever it finds: which bugs a swarm should find is for
 * docs/internals/crash-runs.md to say.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { run } from '../stages/process.ts'
import { bugs } from './bugs/index.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '9000' },
    parallel: { type: 'string', default: '2' },
  },
})
const root = fileURLToPath(new URL('../..', import.meta.url))
const preload = new URL('plant.ts', import.meta.url).href
const budgetMs = 1_800_000
const chosen = bugs.filter(({ bug, file }) => positionals.length === 0 || positionals.some((word) => bug.includes(word) || file.includes(word)))

console.log('| bug | found | by |\n| --- | --- | --- |')
for (const { bug } of chosen) {
  const swarm = ['packages/conformance/test/torture.ts', '--until-failure', '--runs', values.runs, '--seed', values.seed, '--parallel', values.parallel]
  const { output } = await run(process.execPath, swarm, {
    cwd: root,
    budgetMs,
    env: { NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${preload}`.trim(), SLUICE_PLANTED: bug },
  })
  const [, count = '?', failed = '?'] = /(\d+) runs, (\d+) failed/.exec(output) ?? []
  const sign = /FAILED seed \d+.*\n {2}(.*?)(?: \(line|\n)/.exec(output)?.[1] ?? output.trim().split('\n').at(-1)
  console.log(`| ${bug} | ${failed === '0' ? `not in ${count} runs` : `in run ${count}`} | ${failed === '0' ? '' : sign} |`)
}
