import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import type { Runs, Side } from './runs.ts'

const leadMin = 20
/** Messages a run; what goes one by one takes five seconds for so few. */
const counts: Readonly<Record<Side, number>> = { sluice: 60_000, raw: 4_000 }

/** A handler of 5 ms over 4 partitions: 100 at a time by key, against one after the other in each partition. */
export async function keyedConcurrency(runs: Runs, { pairs }: BenchOptions): Promise<readonly Row[]> {
  const rates: Record<Side, number[]> = { sluice: [], raw: [] }
  for (let pair = 0; pair < pairs; pair++)
    for (const side of ['raw', 'sluice'] as const) {
      const { handledNs, endNs } = await runs.pair(side, counts[side], 'batches', 'async-consumer')
      rates[side].push((counts[side] * 1e9) / (endNs - handledNs))
    }
  return [
    compared(
      {
        name: 'Kafka: asynchronous handler of 5 ms, 4 partitions, concurrency 100 by key',
        unit: 'messages/s',
        rawName: 'one by one in each partition, kafkajs',
        target: `≥ ${leadMin} ×`,
        note: 'from the first message handled to the last settled; order per key is kept in both',
      },
      rates.sluice,
      rates.raw,
      (ratio) => ratio >= leadMin,
    ),
  ]
}
