import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchOptions, median, type Table } from './benchmark.ts'
import { Role } from './processes.ts'

const script = (path: string): URL => new URL(path, import.meta.url)

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One publish after the other, each awaited until it is on the disk, against one row and one fdatasync. */
export async function awaited(options: BenchOptions): Promise<Table> {
  const count = 2000
  const run = (path: string) =>
    inFolder(async (folder) => {
      const role = new Role(script(path), [folder, String(count)])
      await role.next()
      role.tell('go')
      const figures = await role.next<{ micros: number[]; syncMicros?: number[] }>()
      await role.end()
      // The first calls warm the code up.
      return {
        p50: percentile(figures.micros.slice(200), 0.5),
        p99: percentile(figures.micros.slice(200), 0.99),
        sync: percentile((figures.syncMicros ?? [0]).slice(200), 0.5),
      }
    })
  const raw: Awaited<ReturnType<typeof run>>[] = []
  const ours: Awaited<ReturnType<typeof run>>[] = []
  for (let pair = 0; pair < options.pairs; pair++) {
    raw.push(await run('./raw-log/awaited.ts'))
    ours.push(await run('./sluice-log/awaited.ts'))
  }
  const ratios = ours.map((o, n) => o.p50 / (raw[n]?.p50 ?? Number.NaN))
  return {
    title: `one publish after the other, awaited, ${count} a run, ${options.pairs} interleaved runs, medians`,
    unit: 'µs; ratio: p50 against one row and one fdatasync, run by run',
    columns: ['p50', 'p99'],
    rows: [
      { name: 'fdatasync alone', figures: [median(raw.map((r) => r.sync)), undefined] },
      { name: 'raw log, one row and one fdatasync', figures: [median(raw.map((r) => r.p50)), median(raw.map((r) => r.p99))], ratio: 1, against: 'raw' },
      {
        name: 'Sluice, await publish',
        figures: [median(ours.map((r) => r.p50)), median(ours.map((r) => r.p99))],
        ratio: median(ratios),
        against: 'raw',
        range: [Math.min(...ratios), Math.max(...ratios)],
      },
    ],
  }
}

/** From `publish` in one process to the handler in another, at a steady 2,000 a second. */
export async function latency(options: BenchOptions): Promise<Table> {
  const count = 10_000
  const rate = 2000
  const run = (name: string) =>
    inFolder(async (folder) => {
      const consumer = new Role(script(`./${name}/paced-consumer.ts`), [folder, String(count)])
      await consumer.next()
      const producer = new Role(script(`./${name}/paced-producer.ts`), [folder, String(count), String(rate)])
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
  const ratios = ours.map((o, n) => o.p50 / (raw[n]?.p50 ?? Number.NaN))
  return {
    title: `latency across processes at ${rate.toLocaleString('en')} a second, ${count.toLocaleString('en')} messages, ${options.pairs} interleaved runs, medians`,
    unit: 'ms; ratio: p50 against the raw log, run by run',
    columns: ['p50', 'p99'],
    rows: [
      { name: 'raw log', figures: [median(raw.map((r) => r.p50)), median(raw.map((r) => r.p99))], ratio: 1, against: 'raw' },
      {
        name: 'Sluice',
        figures: [median(ours.map((r) => r.p50)), median(ours.map((r) => r.p99))],
        ratio: median(ratios),
        against: 'raw',
        range: [Math.min(...ratios), Math.max(...ratios)],
      },
    ],
  }
}
