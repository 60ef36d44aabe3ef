import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import type { BenchOptions, Row } from './benchmark.ts'

/** What one benchmark found, and where: enough to make the figures again. */
export interface Result {
  readonly date: string
  readonly machine: string
  readonly node: string
  readonly sqlite: string
  /** Load average over five minutes: above 2 to 3 here, something else ran beside it, and only the ratios say something. */
  readonly load: string
  readonly command: string
  readonly rows: readonly Row[]
}

/** Results by the name of the benchmark. */
export type Results = Readonly<Record<string, Result>>

/** Machine and versions. */
export function provenance(): Omit<Result, 'command' | 'rows'> {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}`,
    node: process.version,
    sqlite: process.versions.sqlite ?? 'unknown',
    load: (loadavg()[1] ?? 0).toFixed(1),
  }
}

/** Writes what a benchmark found into a file of results, in place of what it found before. */
export function keepResults(file: string, name: string, { pairs, count, minutes }: BenchOptions, rows: readonly Row[]): void {
  const before: Results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const command = `npm run bench -- ${name} --pairs ${pairs} --count ${count}${name === 'soak' ? ` --minutes ${minutes}` : ''}`
  // Digits that no run repeats would only make every change of the file look large.
  const rounded = JSON.parse(JSON.stringify(rows, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)))
  const after = { ...before, [name]: { ...provenance(), command, rows: rounded } }
  writeFileSync(file, `${JSON.stringify(after, null, 2)}\n`)
}
