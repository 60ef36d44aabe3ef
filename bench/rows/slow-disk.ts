import { spawnSync } from 'node:child_process'
import { type BenchOptions, measured, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role } from '../processes.ts'

const delayMs = 10
/** Every fsync and fdatasync of the process enters late; only these calls stop at the tracer. */
const strace: readonly string[] = [
  'strace',
  '-f',
  '-qq',
  '--seccomp-bpf',
  '-e',
  'trace=fsync,fdatasync',
  '-e',
  `inject=fsync,fdatasync:delay_enter=${delayMs * 1000}`,
  '-o',
  '/dev/null',
]

interface Figures {
  readonly rate: number
  readonly loopDelayMs: number
}

/** Every sync takes 10 ms longer, in both processes. What is outstanding shares a sync: rates follow that number, not the disk. */
export async function slowDisk(options: BenchOptions): Promise<readonly Row[]> {
  if (spawnSync('strace', ['--version']).error !== undefined) return []
  const run = (outstanding: number, count: number) =>
    inFolder(async (folder) => {
      const role = (path: string): Role => new Role(new URL(`../sluice-log/${path}`, import.meta.url), [folder, String(count), String(outstanding)], strace)
      const consumer = role('slow-disk-consumer.ts')
      await consumer.next()
      const producer = role('slow-disk-producer.ts')
      await producer.next()
      consumer.tell('go')
      producer.tell('go')
      const made = await producer.next<Figures>()
      const eaten = await consumer.next<Figures>()
      await Promise.all([producer.end(), consumer.end()])
      return { ...made, consumerLoopDelayMs: eaten.loopDelayMs }
    })
  const few: Awaited<ReturnType<typeof run>>[] = []
  const many: Awaited<ReturnType<typeof run>>[] = []
  for (let n = 0; n < options.pairs; n++) {
    few.push(await run(1000, 100_000))
    many.push(await run(10_000, 400_000))
  }
  // A closed loop: what is outstanding is confirmed by one sync, sent again, and waits for the next.
  const limit = (outstanding: number): number => outstanding / (delayMs / 1000)
  const unit = 'messages/s'
  return [
    measured(
      { name: 'every fsync + 10 ms: loop delay of the producer, p99', unit: 'ms', target: '< 5 ms', note: '1,000 publishes outstanding, a consumer beside' },
      few.map((one) => one.loopDelayMs),
      (value) => value < 5,
    ),
    measured(
      { name: 'every fsync + 10 ms: loop delay of the consumer, p99', unit: 'ms', target: '< 5 ms' },
      few.map((one) => one.consumerLoopDelayMs),
      (value) => value < 5,
    ),
    measured(
      {
        name: 'every fsync + 10 ms: 1,000 publishes outstanding',
        unit,
        target: '≥ half of 1,000 a sync (50,000/s)',
        note: 'one at a time would be 100/s',
      },
      few.map((one) => one.rate),
      (value) => value >= limit(1000) / 2,
    ),
    measured(
      {
        name: 'every fsync + 10 ms: 10,000 publishes outstanding',
        unit,
        target: '≥ 150,000/s, as on a fast disk',
        note: `loop delay p99 there: ${many.map((one) => one.loopDelayMs.toFixed(1)).join(', ')} ms`,
      },
      many.map((one) => one.rate),
      (value) => value >= 150_000,
    ),
  ]
}
