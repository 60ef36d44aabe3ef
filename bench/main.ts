/**
 * `npm run bench -- [names] [--pairs N] [--count N] [--minutes N] [--json]`: each benchmark compares, in one run, Sluice
 * with the physical limit (and later with its peers), and prints ratios. Run it alone on the machine.
 */
import { parseArgs } from 'node:util'
import type { Benchmark, BenchOptions, Row } from './benchmark.ts'
import { rowBenchmarks } from './rows/index.ts'
import { printRows } from './table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '5' },
    count: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
  },
})
const options: BenchOptions = { pairs: Number(values.pairs), count: Number(values.count), minutes: Number(values.minutes) }
const names = positionals.length > 0 ? positionals : Object.keys(rowBenchmarks).filter((name) => name !== 'soak')
for (const name of names) if (rowBenchmarks[name] === undefined) throw new Error(`no benchmark ${name}; there are ${Object.keys(rowBenchmarks).join(', ')}`)

const rows: Row[] = []
for (const name of names) rows.push(...(await (rowBenchmarks[name] as Benchmark)(options)))
printRows(rows, values.json, process.argv.slice(2))
