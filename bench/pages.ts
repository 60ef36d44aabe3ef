/**
 * `node bench/pages.ts`: writes the figures of `bench/results.json` into the pages that quote them, between markers:
 * `<!-- bench: peers -->` a table of one benchmark, `<!-- bench: all -->` of every one, and in a line of text
 * `<!-- bench: peers/Kafka.ratio -->3.1<!-- /bench -->` one figure of the row whose name is, or alone contains, the words.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Row } from './benchmark.ts'
import type { Result, Results } from './results.ts'
import { figure, markdownTable } from './table.ts'

const root = resolve(import.meta.dirname, '..')

/** Pages that quote figures. */
export const pages = ['README.md', 'README.zh-CN.md', 'docs/reference/benchmarks.md'] as const

/** The committed figures. */
export function readResults(): Results {
  const file = resolve(root, 'bench/results.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
}

function resultOf(results: Results, name: string): Result {
  const result = results[name]
  if (result === undefined) throw new Error(`bench/results.json has no ${name}; it has ${Object.keys(results).join(', ')}`)
  return result
}

function section(result: Result): string {
  return `\n\n\`${result.command}\`, ${result.date}; ${result.machine}; Node ${result.node.replace('v', '')}, SQLite ${result.sqlite}; load average ${result.load}.\n\n${markdownTable(result.rows)}\n\n`
}

function rowOf(rows: readonly Row[], words: string): Row {
  const found = rows.filter(({ name }) => name === words)
  const candidates = found.length > 0 ? found : rows.filter(({ name }) => name.includes(words))
  if (candidates.length !== 1 || candidates[0] === undefined)
    throw new Error(`${candidates.length} rows are called ${words}: ${rows.map(({ name }) => name).join('; ')}`)
  return candidates[0]
}

/** What stands between the markers of that name. */
function quoted(results: Results, name: string): string {
  if (name === 'all')
    return Object.keys(results)
      .map((one) => `\n\n### ${one}${section(resultOf(results, one))}`)
      .join('')
      .replace(/\n{3,}/g, '\n\n')
  const match = /^([\w-]+)\/(.+)\.(sluice|raw|ratio)$/.exec(name)
  if (match === null) return section(resultOf(results, name))
  const [, benchmark = '', words = '', field = ''] = match
  const row = rowOf(resultOf(results, benchmark).rows, words)
  if (field === 'ratio') return row.ratio === undefined ? '' : row.ratio >= 10 ? row.ratio.toFixed(0) : row.ratio.toFixed(row.ratio >= 2 ? 1 : 2)
  return figure(field === 'raw' ? row.raw : row.sluice)
}

/** The page with today's figures between its markers. */
export function withFigures(text: string, results: Results): string {
  const opened = text.match(/<!-- bench: /g)?.length ?? 0
  let filled = 0
  const after = text.replace(/(<!-- bench: (.+?) -->).*?(<!-- \/bench -->)/gs, (_, open: string, name: string, close: string) => {
    filled++
    return `${open}${quoted(results, name)}${close}`
  })
  if (filled !== opened) throw new Error(`${opened} markers are opened, ${filled} are closed`)
  return after
}

if (import.meta.main) {
  for (const page of pages) {
    const file = resolve(root, page)
    writeFileSync(file, withFigures(readFileSync(file, 'utf8'), readResults()))
  }
}
