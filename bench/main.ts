/**
 * `npm run bench -- [names] [--pairs N] [--count N] [--json]`: each benchmark compares, in one run, Sluice with the
 * physical limit (and later with its peers), and prints ratios. Run it alone on the machine.
 */
import { parseArgs } from 'node:util'
import type { Benchmark, BenchOptions } from './benchmark.ts'
import { awaited, latency } from './latency.ts'
import { printTables } from './table.ts'
import { throughput } from './throughput.ts'

const benchmarks: Readonly<Record<string, Benchmark>> = { throughput, awaited, latency }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pairs: { type: 'string', default: '5' }, count: { type: 'string', default: '1000000' }, json: { type: 'boolean', default: false } },
})
const options: BenchOptions = { pairs: Number(values.pairs), count: Number(values.count) }
const names = positionals.length > 0 ? positionals : Object.keys(benchmarks)
for (const name of names) if (benchmarks[name] === undefined) throw new Error(`no benchmark ${name}; there are ${Object.keys(benchmarks).join(', ')}`)

const tables = []
for (const name of names) tables.push(await (benchmarks[name] as Benchmark)(options))
printTables(tables, values.json, process.argv.slice(2))
