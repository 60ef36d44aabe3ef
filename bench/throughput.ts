import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchOptions, median, type Table } from './benchmark.ts'
import { runPair } from './processes.ts'

const rawProducer = new URL('./raw-log/producer.ts', import.meta.url)
const rawConsumer = new URL('./raw-log/consumer.ts', import.meta.url)
const producer = new URL('./sluice-log/producer.ts', import.meta.url)
const consumer = new URL('./sluice-log/consumer.ts', import.meta.url)

const candidates: readonly { readonly name: string; readonly producer: URL; readonly consumer: URL; readonly extra: readonly string[] }[] = [
  { name: 'raw log, one row a batch', producer: rawProducer, consumer: rawConsumer, extra: ['batch'] },
  { name: 'raw log, one row a message', producer: rawProducer, consumer: rawConsumer, extra: ['message'] },
  { name: 'Sluice, publishMany of 500', producer, consumer, extra: ['many'] },
  { name: 'Sluice, publish × 1,000 outstanding', producer, consumer, extra: ['single'] },
]

/** End to end over one file: a producer process, a consumer process, only synced messages delivered. */
export async function throughput(options: BenchOptions): Promise<Table> {
  const runs = candidates.map(() => ({ in: [] as number[], out: [] as number[], endToEnd: [] as number[] }))
  for (let pair = 0; pair < options.pairs; pair++) {
    for (const [n, candidate] of candidates.entries()) {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
      try {
        const rates = await runPair(candidate.producer, candidate.consumer, folder, options.count, candidate.extra)
        runs[n]?.in.push(rates.in)
        runs[n]?.out.push(rates.out)
        runs[n]?.endToEnd.push(rates.endToEnd)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
  }
  const limit = runs[0]
  return {
    title: `throughput over one file, two processes, ${options.count.toLocaleString('en')} keyed orders of 230 bytes, ${options.pairs} interleaved runs, medians`,
    unit: 'messages/s; ratio: end to end against the raw log, run by run',
    columns: ['in', 'out', 'end to end'],
    rows: candidates.map((candidate, n) => {
      const run = runs[n] as (typeof runs)[number]
      const ratios = run.endToEnd.map((rate, pair) => rate / (limit?.endToEnd[pair] ?? Number.NaN))
      return {
        name: candidate.name,
        figures: [median(run.in), median(run.out), median(run.endToEnd)],
        ratio: median(ratios),
        against: 'raw',
        range: [Math.min(...ratios), Math.max(...ratios)] as const,
      }
    }),
  }
}
