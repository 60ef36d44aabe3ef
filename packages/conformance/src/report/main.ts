/** Keeps complete runs of the suite, makes the pages of what each transport guarantees, and says when they are stale. */
import { readFileSync, writeFileSync } from 'node:fs'
import { keptRuns, pages, recordedPath, reportedSubjects } from './pages.ts'
import { differences, readResults, recordedFrom, recordedToText } from './recorded.ts'

const usage = `usage: npm run guarantees -w @sluice/conformance -- <command>
  record <results.jsonl> <transport…>  keeps runs of these transports (cases not run stay as they were), and makes the pages
  pages                                makes the pages of the runs that are kept
  check <results.jsonl> <transport…>   compares complete later runs of these transports with what is kept; exit 1: the pages are stale
Results come of: SLUICE_CONFORMANCE_RESULTS=/tmp/results.jsonl npm test -- packages/conformance/test`

function main([command, path, ...transports]: readonly string[]): number {
  if (command === 'pages') {
    writePages()
    return 0
  }
  if ((command !== 'record' && command !== 'check') || path === undefined || transports.length === 0) {
    process.stderr.write(`${usage}\n`)
    return 2
  }
  const day = new Date().toISOString().slice(0, 10)
  const results = readResults(readFileSync(path, 'utf8'))
  const kept = keptRuns()
  const keptOf = (transport: string) => kept.find((run) => run.transport === transport)
  if (command === 'record') {
    const runs = transports.map((transport) => recordedFrom(results, transport, reportedSubjects, day, keptOf(transport)))
    for (const run of runs) writeFileSync(recordedPath(run.transport), recordedToText(run))
    writePages()
    return 0
  }
  const fresh = transports.map((transport) => recordedFrom(results, transport, reportedSubjects, day))
  const found = fresh.flatMap((run) => {
    const before = keptOf(run.transport)
    return before === undefined ? [`${run.transport}: no run of it is kept`] : differences(before, run)
  })
  for (const line of found) console.log(line)
  console.log(found.length === 0 ? `the pages show what ${transports.join(', ')} did` : 'docs/reference/guarantees.md is stale: record these runs')
  return found.length === 0 ? 0 : 1
}

function writePages(): void {
  for (const { path, text } of pages(keptRuns())) writeFileSync(path, text)
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
