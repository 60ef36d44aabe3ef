import type { Row } from './benchmark.ts'

/** A figure for people: four digits at most. */
export function figure(value: number | undefined): string {
  return value === undefined
    ? ''
    : value >= 100
      ? Number(value.toPrecision(4)).toLocaleString('en', { maximumFractionDigits: 0 })
      : value.toFixed(value >= 10 ? 1 : 3)
}

const headings = ['', 'Sluice', 'unit', 'beside it', 'ratio', 'lowest–highest', 'target', ''] as const

function cellsOf(row: Row): readonly string[] {
  const spread = (value: number): string => (row.ratio === undefined ? figure(value) : value.toFixed(2))
  return [
    row.name,
    figure(row.sluice),
    row.unit,
    row.raw === undefined ? '' : `${figure(row.raw)}, ${row.rawName}`,
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    `${spread(row.spread[0])}–${spread(row.spread[1])}`,
    row.target,
    row.target === '' ? '' : row.reached ? 'reached' : 'not reached',
  ]
}

/** Prints all rows as one table, then the notes and what is to be known of the run. */
export function printRows(rows: readonly Row[], run: Readonly<Record<string, string>>): void {
  const all = [headings, ...rows.map(cellsOf)]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  for (const row of all)
    console.log(
      row
        .map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
  console.log('')
  for (const row of rows) if (row.note !== undefined) console.log(`${row.name}: ${row.note}`)
  console.log(
    `\n${Object.entries(run)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n')}`,
  )
}

/** The same rows as a Markdown table, with the notes below it. */
export function markdownTable(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const notes = rows.flatMap(({ name, note }) => (note === undefined ? [] : [`- ${name}: ${note}`]))
  return [line(headings), line(headings.map(() => '---')), ...rows.map((row) => line(cellsOf(row))), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')
}
