import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { type PairRates, runPair } from '../processes.ts'

const raw = { producer: new URL('../raw-log/producer.ts', import.meta.url), consumer: new URL('../raw-log/consumer.ts', import.meta.url) }
const sluice = { producer: new URL('../sluice-log/producer.ts', import.meta.url), consumer: new URL('../sluice-log/consumer.ts', import.meta.url) }

async function runs(options: BenchOptions, modes: readonly (readonly [typeof raw, string])[]): Promise<PairRates[][]> {
  const rates: PairRates[][] = modes.map(() => [])
  for (let pair = 0; pair < options.pairs; pair++) {
    for (const [n, [roles, mode]] of modes.entries())
      rates[n]?.push(await inFolder((folder) => runPair(roles.producer, roles.consumer, folder, options.count, [mode])))
  }
  return rates
}

/** One producer (`publishMany` of 500, 32 calls outstanding), one consumer: only synced messages are delivered. */
export async function endToEnd(options: BenchOptions): Promise<readonly Row[]> {
  const [limit = [], perMessage = [], ours = []] = await runs(options, [
    [raw, 'batch'],
    [raw, 'message'],
    [sluice, 'many'],
  ])
  const rate = (of: readonly PairRates[], which: keyof PairRates): number[] => of.map((one) => one[which])
  const unit = 'messages/s'
  return [
    compared(
      { name: 'end to end', unit, rawName: 'raw log', target: '≥ 0.6 of the raw log' },
      rate(ours, 'endToEnd'),
      rate(limit, 'endToEnd'),
      (ratio) => ratio >= 0.6,
    ),
    compared({ name: 'end to end, producer side', unit, rawName: 'raw log' }, rate(ours, 'in'), rate(limit, 'in')),
    compared({ name: 'end to end, consumer side', unit, rawName: 'raw log' }, rate(ours, 'out'), rate(limit, 'out')),
    compared({ name: 'raw log, one row a message', unit, rawName: 'raw log, one row a batch' }, rate(perMessage, 'endToEnd'), rate(limit, 'endToEnd')),
  ]
}

/** One `publish` a message, 1,000 outstanding, with the consumer beside it. */
export async function publishEach(options: BenchOptions): Promise<readonly Row[]> {
  const [limit = [], ours = []] = await runs(options, [
    [raw, 'batch'],
    [sluice, 'single'],
  ])
  return [
    compared(
      { name: 'one publish a message, 1,000 outstanding, end to end', unit: 'messages/s', rawName: 'raw log', target: '≥ 150,000/s' },
      ours.map((one) => one.endToEnd),
      limit.map((one) => one.endToEnd),
      (_, value) => value >= 150_000,
    ),
  ]
}
