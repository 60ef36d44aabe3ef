/** docs/internals/planted-bugs.md. */
import type { Shown } from './show.ts'

/** The page. Times are of the run that wrote it, start of the process included. */
export function page(results: readonly Shown[]): string {
  const rows = results
    .filter(({ outcome }) => outcome === 'caught' || outcome === 'hung')
    .map(({ bug, check, outcome, durationMs }) => {
      const file = bug.file.replace(/^packages\//, '').replace('/src/', ' › ')
      return `| ${bug.bug} | ${file} | ${check.name.replace(/^packages\//, '')}${outcome === 'hung' ? ' (hangs)' : ''} | ${(durationMs / 1000).toFixed(1)} s |`
    })
  const count = new Set(results.map(({ bug }) => bug)).size
  return [
    '# Planted bugs',
    '',
    'Written by `node tools/planted/main.ts --slow --write`; do not edit. Each row: a bug that was planted in the source while',
    'it was loaded, and the check that failed because of it. The same checks pass over the sound source. `npm test` shows the',
    'bugs of the quick checks again; `npm run full` all of them. The bugs of the lane machine are in',
    '`packages/core/test/simulation/mutations.ts`.',
    '',
    `${count} bugs, ${new Set(rows).size} catches.`,
    '',
    '| bug | planted in | caught by | took |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
