import { type BenchOptions, compared, measured, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role } from '../processes.ts'

const groups = 10
const keys = 10_000
const others = 2000 * 15

interface Figures {
  readonly late: number
  readonly others: { readonly p50: number; readonly p99: number }
}

/** 100,000 lanes (10 groups of 10,000 keys) fail once, wait, and come again; others at 2,000/s beside them. */
export async function retries(options: BenchOptions): Promise<readonly Row[]> {
  const script = (name: string): URL => new URL(`../sluice-log/${name}.ts`, import.meta.url)
  const run = (failing: number): Promise<Figures> =>
    inFolder(async (folder) => {
      const consumer = new Role(script('retry-consumer'), [folder, String(others), String(failing), String(keys)])
      await consumer.next()
      const producer = new Role(script('paced-producer'), [folder, String(others), '2000'])
      await producer.next()
      consumer.tell('go')
      // All wait for their second attempt now.
      await consumer.next()
      producer.tell('go')
      await producer.next()
      const figures = await consumer.next<Figures>()
      await Promise.all([producer.end(), consumer.end()])
      return figures
    })
  const without: Figures[] = []
  const beside: Figures[] = []
  for (let pair = 0; pair < Math.min(3, options.pairs); pair++) {
    without.push(await run(0))
    beside.push(await run(groups))
  }
  const name = '100 k groups × keys in retry'
  const rawName = 'nothing in retry'
  return [
    measured(
      {
        name: `${name}: lateness of the second attempt, p99`,
        unit: 'ms',
        target: '< 50 ms',
        note: `${groups} groups of ${keys.toLocaleString('en')} keys, suspended to the parking lot`,
      },
      beside.map((one) => one.late),
      (value) => value < 50,
    ),
    compared(
      { name: `${name}: latency p50 of others at 2,000/s`, unit: 'ms', rawName },
      beside.map((one) => one.others.p50),
      without.map((one) => one.others.p50),
    ),
    compared(
      { name: `${name}: latency p99 of others at 2,000/s`, unit: 'ms', rawName },
      beside.map((one) => one.others.p99),
      without.map((one) => one.others.p99),
    ),
  ]
}
