import { type BenchOptions, compared, measured, median, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { type PairRates, Role, runPair } from '../processes.ts'

const scheduledCount = 1_000_000
const duePerSecond = 10_000
const dueSeconds = 12

interface Lateness {
  readonly p50: number
  readonly p99: number
}

interface Figures {
  readonly others: Lateness
  readonly due: Lateness | undefined
}

const script = (name: string): URL => new URL(`../sluice-log/${name}.ts`, import.meta.url)

/** Stores `count` messages whose times come `perSecond` a second, from `leadMs` after the last is stored. Returns messages a second. */
async function schedule(folder: string, count: number, perSecond: number, leadMs: number): Promise<number> {
  const role = new Role(script('schedule'), [folder, String(count), String(perSecond), String(leadMs)])
  await role.next()
  role.tell('go')
  const { rate } = await role.next<{ rate: number }>()
  await role.end()
  return rate
}

/** Other messages at 2,000/s for some seconds; `due`: the scheduled ones that come meanwhile are judged. */
async function others(folder: string, due: boolean): Promise<Figures> {
  const count = 2000 * dueSeconds
  const consumer = new Role(script('due-consumer'), [folder, String(count), due ? 'due' : ''])
  await consumer.next()
  const producer = new Role(script('paced-producer'), [folder, String(count), '2000'])
  await producer.next()
  consumer.tell('go')
  producer.tell('go')
  await producer.next()
  const figures = await consumer.next<Figures>()
  await Promise.all([producer.end(), consumer.end()])
  return figures
}

/** A million messages are scheduled: the due ones come on time, and others are as fast as without them. */
export async function scheduled(options: BenchOptions): Promise<readonly Row[]> {
  const throughput = (folder: string): Promise<PairRates> => runPair(script('producer'), script('consumer'), folder, options.count, ['many'])
  const stored: number[] = []
  const pairs: { readonly plain: PairRates; readonly beside: PairRates; readonly plainLatency: Figures; readonly latency: Figures }[] = []
  for (let pair = 0; pair < Math.min(3, options.pairs); pair++) {
    const plain = await inFolder(throughput)
    const plainLatency = await inFolder((folder) => others(folder, false))
    const beside = await inFolder(async (folder) => {
      stored.push(await schedule(folder, scheduledCount, duePerSecond, 3_600_000))
      return throughput(folder)
    })
    const latency = await inFolder(async (folder) => {
      await schedule(folder, scheduledCount, duePerSecond, 1500)
      return others(folder, true)
    })
    pairs.push({ plain, beside, plainLatency, latency })
  }
  const name = '1 M scheduled'
  return [
    measured(
      {
        name: `${name}: due at 10,000/s, lateness p99`,
        unit: 'ms',
        target: '< 50 ms',
        note: `p50 ${median(pairs.map((one) => one.latency.due?.p50 ?? Number.NaN)).toFixed(1)} ms; scheduling them: ${Math.round(median(stored)).toLocaleString('en')} a second`,
      },
      pairs.map((one) => one.latency.due?.p99 ?? Number.NaN),
      (value) => value < 50,
    ),
    compared(
      { name: `${name}: end to end of others`, unit: 'messages/s', rawName: 'nothing scheduled', target: 'not slower (≥ 0.95)' },
      pairs.map((one) => one.beside.endToEnd),
      pairs.map((one) => one.plain.endToEnd),
      (ratio) => ratio >= 0.95,
    ),
    compared(
      { name: `${name}, 10,000/s of them due: latency p50 of others at 2,000/s`, unit: 'ms', rawName: 'nothing scheduled' },
      pairs.map((one) => one.latency.others.p50),
      pairs.map((one) => one.plainLatency.others.p50),
    ),
    compared(
      { name: `${name}, 10,000/s of them due: latency p99 of others at 2,000/s`, unit: 'ms', rawName: 'nothing scheduled' },
      pairs.map((one) => one.latency.others.p99),
      pairs.map((one) => one.plainLatency.others.p99),
    ),
  ]
}
