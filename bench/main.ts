/**
 * `npm run bench -- [names] [--pairs N] [--count N] [--minutes N] [--json file]`: each benchmark compares, in one run,
 * Sluice with the physical limit or with a peer, and prints ratios. Run it alone on the machine. `--json` also writes the
 * rows into the file, in place of those of the same benchmarks: the pages quote `bench/results.json`. The name `short`
 * stands for all that take seconds, `brokers` for those on RabbitMQ, Kafka and Redis; they and `soak` run only when they are named.
 */
import { parseArgs } from 'node:util'
import type { Benchmark, BenchOptions, Row } from './benchmark.ts'
import { brokerBenchmarks } from './brokers/index.ts'
import { besidePeers } from './peers/peers.ts'
import { keepResults, provenance } from './results.ts'
import { rowBenchmarks } from './rows/index.ts'
import { printRows } from './table.ts'

const benchmarks: Readonly<Record<string, Benchmark>> = { ...rowBenchmarks, peers: besidePeers, ...brokerBenchmarks }
const brokerNames = Object.keys(brokerBenchmarks)
const byNameOnly = ['soak', ...brokerNames]
// A million and more messages waiting, or minutes of steady work.
const long = [...byNameOnly, 'backlog', 'scheduled', 'retries']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '5' },
    count: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '30' },
    json: { type: 'string' },
  },
})
const options: BenchOptions = { pairs: Number(values.pairs), count: Number(values.count), minutes: Number(values.minutes) }
const allBut = (left: readonly string[]): readonly string[] => Object.keys(benchmarks).filter((name) => !left.includes(name))
const namesOf = (given: string): readonly string[] => (given === 'short' ? allBut(long) : given === 'brokers' ? brokerNames : [given])
const names = positionals.length === 0 ? allBut(byNameOnly) : positionals.flatMap(namesOf)
for (const name of names) if (benchmarks[name] === undefined) throw new Error(`no benchmark ${name}; there are ${Object.keys(benchmarks).join(', ')}`)

const rows: Row[] = []
let failed = 0
for (const name of names) {
  try {
    const found = await (benchmarks[name] as Benchmark)(options)
    rows.push(...found)
    if (values.json !== undefined && found.length > 0) keepResults(values.json, name, options, found)
  } catch (error) {
    // What the others measured is not thrown away.
    failed++
    console.error(`${name} failed:`, error)
  }
}
printRows(rows, { ...provenance(), command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim() })
process.exitCode = failed === 0 ? 0 : 1
