import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { type PairRates, runPair } from '../processes.ts'

const groups = 4
const script = (path: string): URL => new URL(`../${path}`, import.meta.url)

/** Four groups in one process beside a producer: each sees every order. */
export async function fourGroups(options: BenchOptions): Promise<readonly Row[]> {
  const count = Math.ceil(options.count / 2)
  const raw: PairRates[] = []
  const ours: PairRates[] = []
  for (let pair = 0; pair < options.pairs; pair++) {
    raw.push(await inFolder((folder) => runPair(script('raw-log/producer.ts'), script('raw-log/group-consumer.ts'), folder, count, ['batch', String(groups)])))
    ours.push(
      await inFolder((folder) => runPair(script('sluice-log/producer.ts'), script('sluice-log/group-consumer.ts'), folder, count, ['many', String(groups)])),
    )
  }
  const unit = 'deliveries/s'
  return [
    compared(
      { name: '4 groups in one process beside a producer', unit, rawName: '4 cursors of the raw log', target: '≥ 0.6 of that raw log' },
      ours.map((one) => one.endToEnd * groups),
      raw.map((one) => one.endToEnd * groups),
      (ratio) => ratio >= 0.6,
    ),
  ]
}
