import { type BenchOptions, compared, median, percentile, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role } from '../processes.ts'

const script = (path: string): URL => new URL(`../${path}`, import.meta.url)

/** One publish after the other, each awaited until it is on the disk, against one row and one fdatasync. */
export async function awaited(options: BenchOptions): Promise<readonly Row[]> {
  const count = 2000
  const run = (path: string) =>
    inFolder(async (folder) => {
      const role = new Role(script(path), [folder, String(count)])
      await role.next()
      role.tell('go')
      const figures = await role.next<{ micros: number[]; syncMicros?: number[]; roomMicros?: number[] }>()
      await role.end()
      // The first calls warm the code up.
      return {
        p50: percentile(figures.micros.slice(200), 0.5),
        p99: percentile(figures.micros.slice(200), 0.99),
        sync: percentile((figures.syncMicros ?? [0]).slice(200), 0.5),
        room: percentile((figures.roomMicros ?? [0]).slice(200), 0.5),
      }
    })
  const raw: Awaited<ReturnType<typeof run>>[] = []
  const ours: Awaited<ReturnType<typeof run>>[] = []
  for (let pair = 0; pair < options.pairs; pair++) {
    raw.push(await run('raw-log/awaited.ts'))
    ours.push(await run('sluice-log/awaited.ts'))
  }
  const sync = median(raw.map((r) => r.sync))
  const limit = sync + Math.max(sync * 0.2, 60)
  return [
    compared(
      {
        name: 'awaited publish, p50',
        unit: 'µs',
        rawName: 'fdatasync alone',
        target: 'fdatasync + 20% or + 60 µs',
        note: `one row and one fdatasync by hand: p50 ${median(raw.map((r) => r.p50)).toFixed(0)} µs; p99 ${median(ours.map((r) => r.p99)).toFixed(0)} µs against ${median(raw.map((r) => r.p99)).toFixed(0)} µs; a sync on the loop of a file that need not grow, as ours is kept: ${median(raw.map((r) => r.room)).toFixed(0)} µs`,
      },
      ours.map((r) => r.p50),
      raw.map((r) => r.sync),
      (_, value) => value <= limit,
    ),
  ]
}

/** From `publish` in one process to the handler in another, at a steady 2,000 a second. */
export async function latency(options: BenchOptions): Promise<readonly Row[]> {
  const count = 10_000
  const rate = 2000
  const run = (name: string) =>
    inFolder(async (folder) => {
      const consumer = new Role(script(`${name}/paced-consumer.ts`), [folder, String(count)])
      await consumer.next()
      const producer = new Role(script(`${name}/paced-producer.ts`), [folder, String(count), String(rate)])
      await producer.next()
      consumer.tell('go')
      producer.tell('go')
      await producer.next()
      const { micros } = await consumer.next<{ micros: number[] }>()
      await Promise.all([producer.end(), consumer.end()])
      return { p50: percentile(micros.slice(1000), 0.5) / 1000, p99: percentile(micros.slice(1000), 0.99) / 1000 }
    })
  const raw: Awaited<ReturnType<typeof run>>[] = []
  const ours: Awaited<ReturnType<typeof run>>[] = []
  for (let pair = 0; pair < options.pairs; pair++) {
    raw.push(await run('raw-log'))
    ours.push(await run('sluice-log'))
  }
  return [
    compared(
      { name: 'latency at 2,000/s across processes, p50', unit: 'ms', rawName: 'raw log', target: '≤ 0.3 ms' },
      ours.map((r) => r.p50),
      raw.map((r) => r.p50),
      (_, value) => value <= 0.3,
    ),
    compared(
      { name: 'latency at 2,000/s across processes, p99', unit: 'ms', rawName: 'raw log', target: '≤ 1.0 ms' },
      ours.map((r) => r.p99),
      raw.map((r) => r.p99),
      (_, value) => value <= 1,
    ),
  ]
}
