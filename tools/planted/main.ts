/**
 * `node tools/planted/main.ts [words…]`: shows every planted bug (those whose description or file has one of the words) to
 * its checks, and prints which one caught it. `--all`: every check of a bug, not only the first that catches it; `--slow`:
 * slow checks, too; `--write`: docs/internals/planted-bugs.md, where bugs that were not shown now keep their rows.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bugs } from './bugs/index.ts'
import { checkOf } from './checks.ts'
import { runSound, type Shown, show } from './show.ts'
import { page, rowsKept } from './table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false }, slow: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } },
})
const budgetMs = 120_000
const chosen = bugs.filter(({ bug, file }) => positionals.length === 0 || positionals.some((word) => bug.includes(word) || file.includes(word)))
const names = new Set(chosen.flatMap(({ caughtBy }) => caughtBy).filter((name) => values.slow || !checkOf(name).slow))
const unsound = new Set<string>()
for (const name of names) {
  const { code, output } = await runSound(checkOf(name), budgetMs)
  if (code === 0) continue
  unsound.add(name)
  console.log(`UNSOUND ${name} fails (exit ${code}) without any bug\n${output.slice(0, 600)}`)
}
const results: Shown[] = []
let missed = 0
for (const bug of chosen) {
  let caught = false
  const mine = bug.caughtBy.filter((name) => names.has(name) && !unsound.has(name))
  for (const name of mine) {
    const shown = await show(bug, name, budgetMs)
    results.push(shown)
    console.log(`${shown.outcome.padEnd(10)} ${(shown.durationMs / 1000).toFixed(1).padStart(5)} s  ${bug.bug}  ·  ${name}`)
    if (shown.outcome === 'caught' || shown.outcome === 'hung') caught = true
    if (caught && !values.all) break
  }
  if (caught) continue
  if (mine.length > 0 || !bug.caughtBy.some((name) => checkOf(name).slow)) missed++
  else console.log(`left out            ${bug.bug}: only slow checks catch it`)
}
console.log(`${chosen.length} bugs planted, ${missed} not caught, ${unsound.size} checks unsound`)
if (values.write) {
  const path = fileURLToPath(new URL('../../docs/internals/planted-bugs.md', import.meta.url))
  writeFileSync(path, page(results, rowsKept(readFileSync(path, 'utf8'), new Set(bugs.map(({ bug }) => bug)), results)))
}
process.exitCode = missed + unsound.size === 0 ? 0 : 1
