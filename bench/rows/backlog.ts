import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { copyBacklog, Drain, fill } from '../backlog.ts'
import { type BenchOptions, compared, measured, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role, type Span } from '../processes.ts'

const backlogCount = 10_000_000
const rssBytesMax: number = 512 * 1024 * 1024

interface Figures {
  readonly in: number
  readonly out: number
  readonly startMs: number
  readonly rssMax: number
}

/** A producer beside a consumer; rates while the producer publishes. */
async function run(folder: string, count: number): Promise<Figures> {
  const drain = new Drain(folder, count)
  const producer = new Role(new URL('../sluice-log/producer.ts', import.meta.url), [folder, String(count), 'many'])
  await Promise.all([drain.ready(), producer.next()])
  drain.go()
  // The consumer's start is measured alone, and it is at work when the producer begins.
  await drain.reached(1)
  producer.tell('go')
  const { startNs, endNs } = await producer.next<Span>()
  await producer.end()
  await drain.reached(count)
  const { connectNs, firstNs, rssMax } = await drain.end()
  const rate = (messages: number): number => (messages * 1e9) / (endNs - startNs)
  return { in: rate(count), out: rate(drain.handledAt(endNs) - drain.handledAt(startNs)), startMs: (firstNs - connectNs) / 1e6, rssMax }
}

/**
 * Ten million messages wait. Against an all but empty queue, a producer beside the consumer in both.
 * `SLUICE_BENCH_BACKLOG` names a folder in which the filled file is kept from run to run.
 */
export async function backlog(options: BenchOptions): Promise<readonly Row[]> {
  return inFolder(async (fresh) => {
    const full = process.env['SLUICE_BENCH_BACKLOG'] ?? fresh
    if (!existsSync(join(full, 'bus.db'))) await fill(full, backlogCount)
    const { size } = await stat(join(full, 'bus.db'))
    const empty: Figures[] = []
    const waiting: Figures[] = []
    for (let pair = 0; pair < Math.min(3, options.pairs); pair++) {
      empty.push(
        await inFolder(async (folder) => {
          // One waits, so that the consumer is at work when the producer begins.
          await fill(folder, 1)
          return run(folder, options.count)
        }),
      )
      waiting.push(
        await inFolder(async (folder) => {
          await copyBacklog(full, folder)
          return run(folder, options.count)
        }),
      )
    }
    const rawName = 'empty queue'
    const unit = 'messages/s'
    return [
      measured(
        { name: '10 M backlog: connect to first message', unit: 'ms', target: '< 1,000 ms', note: `file of ${(size / 1e9).toFixed(2)} GB` },
        waiting.map((one) => one.startMs),
        (value) => value < 1000,
      ),
      compared(
        { name: '10 M backlog: drained beside a producer', unit, rawName, target: '≥ 0.8 of the empty queue' },
        waiting.map((one) => one.out),
        empty.map((one) => one.out),
        (ratio) => ratio >= 0.8,
      ),
      compared(
        { name: '10 M backlog: publishing', unit, rawName, target: 'not slower (≥ 0.95)' },
        waiting.map((one) => one.in),
        empty.map((one) => one.in),
        (ratio) => ratio >= 0.95,
      ),
      measured(
        { name: '10 M backlog: resident memory of the consumer', unit: 'MiB', target: '< 512 MiB' },
        waiting.map((one) => one.rssMax / 2 ** 20),
        (value) => value * 2 ** 20 < rssBytesMax,
      ),
    ]
  })
}
