import { cpus, release, totalmem } from 'node:os'
import type { Row } from './benchmark.ts'

/** Machine, versions and the command, so that a figure can be made again. */
export function provenance(args: readonly string[]): Record<string, string> {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}`,
    node: process.version,
    sqlite: process.versions.sqlite ?? 'unknown',
    command: `npm run bench -- ${args.join(' ')}`.trim(),
  }
}

const figure = (value: number | undefined): string =>
  value === undefined ? '' : value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 3)

/** Prints all rows for people, or as one JSON object. */
export function printRows(rows: readonly Row[], json: boolean, args: readonly string[]): void {
  if (json) {
    console.log(JSON.stringify({ ...provenance(args), rows }))
    return
  }
  const cells = rows.map((row) => [
    row.name,
    figure(row.sluice),
    row.unit,
    row.raw === undefined ? '' : `${figure(row.raw)} ${row.rawName}`,
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    `${figure(row.spread[0])}–${figure(row.spread[1])}`,
    row.target,
    row.target === '' ? '' : row.reached ? 'reached' : 'NOT REACHED',
  ])
  const all = [['', 'Sluice', 'unit', 'beside', 'ratio', 'spread', 'target', ''], ...cells]
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  for (const row of all)
    console.log(
      row
        .map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
  for (const row of rows) if (row.note !== undefined) console.log(`${row.name}: ${row.note}`)
  console.log(
    `\n${Object.entries(provenance(args))
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n')}`,
  )
}
