/** `node main.ts results.jsonl docs/reference/guarantees.md`: makes the page of what each transport guarantees. */
import { readFileSync, writeFileSync } from 'node:fs'
import { busSubjects, processSubjects, transportSubjects } from '../cases/index.ts'
import { guaranteesPage } from './guarantees.ts'
import type { CaseResult } from './results.ts'

const [from, to] = process.argv.slice(2)
if (from === undefined || to === undefined) {
  process.stderr.write('usage: main.ts <results.jsonl> <page.md>\n')
  process.exit(2)
}
const results = readFileSync(from, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as CaseResult)
writeFileSync(to, guaranteesPage(results, [...transportSubjects, ...busSubjects, ...processSubjects]))
