/** docs/internals/planted-bugs.md. */
import type { Shown } from './show.ts'

/** Rows of an earlier page, of bugs that are still planted and were not shown now. */
export function rowsKept(earlier: string, names: ReadonlySet<string>, results: readonly Shown[]): readonly string[] {
  const shown = new Set(results.map(({ bug }) => bug.bug))
  return earlier.split('\n').filter((line) => {
    const [, name = ''] = /^\| (.+?) \| /.exec(line) ?? []
    return names.has(name) && !shown.has(name)
  })
}

/** The page. Times are of the runs that wrote it, start of the process included. `kept`: rows of bugs that were shown before. */
export function page(results: readonly Shown[], kept: readonly string[]): string {
  const rows = results
    .filter(({ outcome }) => outcome === 'caught' || outcome === 'hung')
    .map(({ bug, check, outcome, durationMs }) => {
      const file = bug.file.replace(/^packages\//, '').replace('/src/', ' › ')
      return `| ${bug.bug} | ${file} | ${check.name.replace(/^packages\//, '')}${outcome === 'hung' ? ' (hangs)' : ''} | ${(durationMs / 1000).toFixed(1)} s |`
    })
  const all = new Set(results.map(({ bug }) => bug.bug))
  const caught = new Set(results.filter(({ outcome }) => outcome === 'caught' || outcome === 'hung').map(({ bug }) => bug.bug))
  const missed = [...all].filter((bug) => !caught.has(bug))
  const count = all.size + kept.length
  return [
    '# Planted bugs',
    '',
    'Written by `node tools/planted/main.ts --write`; do not edit. Each row: a bug that was planted in the source while',
    'it was loaded, and the check that failed because of it. The same checks pass over the sound source. `npm test` shows one',
    'bug of each damaged file, and that all still fit their sources. The bugs of the lane machine are in `packages/core/test/simulation/mutations.ts`.',
    '',
    `${count} bugs shown to their checks, ${count - missed.length} caught.`,
    ...(missed.length === 0 ? [] : ['', 'Not caught, so a check is missing or the bug is harmless:', '', ...missed.map((bug) => `- ${bug}`)]),
    '',
    '| bug | planted in | caught by | took |',
    '| --- | --- | --- | --- |',
    ...rows,
    ...kept,
    '',
  ].join('\n')
}
