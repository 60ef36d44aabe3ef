/**
 * `npm test [-- words…]`: all suites, or the test files whose path contains one of the words. `--verbose` prints every
 * test. A missing server or browser skips its suite by name; with SLUICE_REQUIRE=all (as in CI) it is a failure.
 */
import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { duration } from './process.ts'
import { type Counts, runFiles } from './runner.ts'
import { filesAtOnce, longestFirst, type Stage, type Suite, stageBudgetsMs, suiteOf, suites } from './suites.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { verbose: { type: 'boolean', default: false } } })
const requireAll = process.env.SLUICE_REQUIRE === 'all'
const files = globSync(['packages/**/*.test.ts', 'examples/**/*.test.ts', 'bench/**/*.test.ts', 'tools/**/*.test.ts'], {
  exclude: ['**/node_modules', '**/dist'],
})
  .filter((file) => !file.endsWith('.slow.test.ts'))
  .filter((file) => positionals.length === 0 || positionals.some((word) => file.includes(word)))
  .sort()
if (files.length === 0) {
  console.error(`no test file${positionals.length > 0 ? ` has ${positionals.join(' or ')} in its path` : ''}`)
  process.exit(1)
}

const problems: string[] = []
const missing = new Map<Suite, string>()
for (const suite of new Set(files.map(suiteOf))) {
  const reason = suite.needs?.()
  if (reason !== undefined) missing.set(suite, reason)
}

const bySuite = new Map<Suite, Counts>()
const seconds: [Stage, number][] = []
for (const stage of Object.keys(stageBudgetsMs) as Stage[]) {
  const chosen = files.filter((file) => suiteOf(file).stage === stage && !missing.has(suiteOf(file)))
  if (chosen.length === 0) continue
  const result = await runFiles(longestFirst(chosen), {
    filesAtOnce: filesAtOnce(stage),
    budgetMs: stageBudgetsMs[stage],
    verbose: values.verbose,
    suiteOf: (file) => suiteOf(file),
  })
  for (const [suite, counts] of result.bySuite) bySuite.set(suite, counts)
  seconds.push([stage, result.durationMs])
  if (result.overBudget) problems.push(`stage "${stage}" was stopped at its budget of ${duration(stageBudgetsMs[stage])}`)
  if (requireAll) problems.push(...result.skippedForNeeds.map((name) => `skipped, but everything is required here: ${name}`))
}

console.log('')
const total = { passed: 0, failed: 0, skipped: 0 }
for (const suite of suites) {
  const reason = missing.get(suite)
  const counts = bySuite.get(suite)
  if (reason !== undefined) {
    console.log(`SKIPPED ${suite.name}: ${reason}`)
    if (requireAll) problems.push(`suite ${suite.name}: ${reason}`)
  }
  if (counts === undefined) continue
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  console.log(
    `${counts.failed === 0 ? 'ok     ' : 'FAILED '} ${suite.name.padEnd(12)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  )
}
for (const [stage, durationMs] of seconds) console.log(`stage ${stage}: ${duration(durationMs)} of ${duration(stageBudgetsMs[stage])}`)
for (const problem of problems) console.log(`FAILED  ${problem}`)
const ok = total.failed === 0 && problems.length === 0 && total.passed > 0
console.log(`${total.passed} passed, ${total.failed + problems.length} failed, ${total.skipped} skipped`)
process.exit(ok ? 0 : 1)
