import { cpus, release, totalmem } from 'node:os'
import type { Table } from './benchmark.ts'

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

/** Prints all tables for people, or as one JSON object. */
export function printTables(tables: readonly Table[], json: boolean, args: readonly string[]): void {
  if (json) {
    console.log(JSON.stringify({ ...provenance(args), tables }))
    return
  }
  for (const table of tables) {
    console.log(`\n${table.title} (${table.unit})`)
    const rows = table.rows.map((row) => [
      row.name,
      ...row.figures.map((f) => (f === undefined ? '' : f >= 100 ? Math.round(f).toLocaleString('en') : f.toFixed(3))),
      row.ratio === undefined
        ? ''
        : `${row.ratio.toFixed(2)} × ${row.against}${row.range === undefined ? '' : ` (${row.range[0].toFixed(2)}–${row.range[1].toFixed(2)})`}`,
    ])
    const all = [['', ...table.columns, 'ratio'], ...rows]
    const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
    for (const row of all)
      console.log(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '))
  }
  console.log(
    `\n${Object.entries(provenance(args))
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n')}`,
  )
}
