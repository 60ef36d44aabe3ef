import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type BenchOptions, median, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role } from '../processes.ts'

const perSecond = 50_000

interface Sample {
  readonly atMs: number
  readonly producerRss: number
  readonly consumerRss: number
  readonly file: number
  readonly wal: number
  readonly p50: number
  readonly p99: number
}

interface Done {
  readonly done: true
  readonly refused?: number
  /** Of the first refusal. */
  readonly cause?: string
  readonly handled?: number
  readonly cpuMicros: number
}

/** The samples of a role until it is done. */
async function follow<T extends object>(role: Role, take: (sample: T) => void): Promise<Done> {
  for (;;) {
    const message = await role.next<T | Done>()
    if ('done' in message) return message
    take(message)
  }
}

const size = (path: string): Promise<number> =>
  stat(path).then(
    (found) => found.size,
    () => 0,
  )

/** A steady load for a long time: everything that could grow is compared between the last third and the first. */
export async function soak(options: BenchOptions): Promise<readonly Row[]> {
  const count = Math.round(perSecond * 60 * options.minutes)
  return inFolder(async (folder) => {
    const script = (name: string): URL => new URL(`../sluice-log/${name}.ts`, import.meta.url)
    const consumer = new Role(script('soak-consumer'), [folder, String(count)])
    await consumer.next()
    const producer = new Role(script('soak-producer'), [folder, String(count), String(perSecond)])
    await producer.next()
    const samples: Sample[] = []
    let producerRss = 0
    consumer.tell('go')
    producer.tell('go')
    const made = follow<{ rss: number }>(producer, (sample) => {
      producerRss = sample.rss
    })
    const startMs = performance.now()
    const eaten = follow<{ rss: number; p50: number; p99: number }>(consumer, async ({ rss, p50, p99 }) => {
      const path = join(folder, 'bus.db')
      samples.push({
        atMs: performance.now(),
        producerRss,
        consumerRss: rss,
        p50: p50 / 1000,
        p99: p99 / 1000,
        file: await size(path),
        wal: await size(`${path}-wal`),
      })
    })
    const { refused = 0, cause, cpuMicros: producerMicros } = await made
    // What was refused never comes: the consumer is told to end when the rest is handled.
    if (refused > 0) setTimeout(() => consumer.tell('stop'), 5000)
    const { handled = 0, cpuMicros: consumerMicros } = await eaten
    const tookSeconds = (performance.now() - startMs) / 1000
    await Promise.all([producer.end(), consumer.end()])
    // What was not confirmed in time may have been stored, and is handled then.
    if (handled + refused < count) throw new Error(`${handled} handled and ${refused} refused of ${count}`)
    console.error(byMinute(samples, startMs))
    return rowsOf(samples, {
      options,
      note: `${handled.toLocaleString('en')} messages in ${tookSeconds.toFixed(0)} s, ${refused} refused${cause === undefined ? '' : ` (${cause})`}; ${((producerMicros + consumerMicros) / count).toFixed(1)} µs of CPU time a message in both processes`,
      achieved: handled / tookSeconds,
    })
  })
}

const mebi: number = 2 ** 20

/** One line a minute: what the whole soak is judged by, for who looks why it is not flat. */
function byMinute(samples: readonly Sample[], startedAtMs: number): string {
  const minutes = Map.groupBy(samples, (sample) => Math.floor((sample.atMs - startedAtMs) / 60_000))
  const head = 'minute  producer MiB  consumer MiB  file MiB  WAL MiB  p50 ms  p99 ms'
  const lines = [...minutes].map(([minute, those]) => {
    const cell = (width: number, digits: number, of: (sample: Sample) => number): string => median(those.map(of)).toFixed(digits).padStart(width)
    const memory = cell(14, 0, (one) => one.producerRss / mebi) + cell(14, 0, (one) => one.consumerRss / mebi)
    const files = cell(10, 0, (one) => one.file / mebi) + cell(9, 0, (one) => one.wal / mebi)
    return `${String(minute + 1).padStart(6)}${memory}${files}${cell(8, 2, (one) => one.p50)}${cell(8, 2, (one) => one.p99)}`
  })
  return [head, ...lines].join('\n')
}

function rowsOf(samples: readonly Sample[], run: { readonly options: BenchOptions; readonly note: string; readonly achieved: number }): Row[] {
  const third = Math.floor(samples.length / 3)
  const first = samples.slice(0, third)
  const last = samples.slice(samples.length - third)
  const name = `soak, ${run.options.minutes} minutes at ${perSecond.toLocaleString('en')}/s`
  // By the medians of thirds: the first seconds, in which the code warms up and the log grows to what is kept, do not count.
  const flat = (what: string, unit: string, of: (sample: Sample) => number, factor: number, slack: number): Row => {
    const [before, after] = [median(first.map(of)), median(last.map(of))]
    return {
      name: `${name}: ${what}`,
      unit,
      sluice: after,
      raw: before,
      rawName: 'first third',
      ratio: after / before,
      spread: [Math.min(...last.map(of)), Math.max(...last.map(of))],
      target: `flat: ≤ ${factor} × the first third + ${slack} ${unit}`,
      reached: after <= before * factor + slack,
    }
  }
  return [
    {
      name,
      unit: 'messages/s',
      sluice: run.achieved,
      spread: [run.achieved, run.achieved],
      target: '50,000/s kept up',
      reached: run.achieved >= perSecond * 0.98,
      note: run.note,
    },
    flat('memory of the producer', 'MiB', (sample) => sample.producerRss / mebi, 1.1, 16),
    flat('memory of the consumer', 'MiB', (sample) => sample.consumerRss / mebi, 1.1, 16),
    flat('file', 'MiB', (sample) => sample.file / mebi, 1.05, 16),
    flat('WAL', 'MiB', (sample) => sample.wal / mebi, 1.1, 16),
    flat('latency p50', 'ms', (sample) => sample.p50, 1.2, 0.5),
    flat('latency p99', 'ms', (sample) => sample.p99, 1.5, 5),
  ]
}
