import { copyBacklog, fill } from '../backlog.ts'
import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role } from '../processes.ts'

const count = 40_000
const concurrency = 16

interface Figures {
  readonly rate: number
  /** What a handler's work took, mean. */
  readonly serviceMs: number
}

/** Keyed, 16 handlers at once, each a millisecond of waiting; against sixteen loops that do nothing but wait so. */
export async function keyedAsync(options: BenchOptions): Promise<readonly Row[]> {
  const script = new URL('../sluice-log/async-consumer.ts', import.meta.url)
  const run = async (folder: string, kind: 'sluice' | 'bare'): Promise<Figures> => {
    const role = new Role(script, [folder, String(count), String(concurrency), kind])
    await role.next()
    role.tell('go')
    const figures = await role.next<Figures>()
    await role.end()
    return figures
  }
  return inFolder(async (backlog) => {
    await fill(backlog, count)
    const bare: Figures[] = []
    const ours: Figures[] = []
    for (let pair = 0; pair < options.pairs; pair++) {
      bare.push(await run(backlog, 'bare'))
      ours.push(
        await inFolder(async (folder) => {
          await copyBacklog(backlog, folder)
          return run(folder, 'sluice')
        }),
      )
    }
    const name = 'keyed, concurrency 16, async handlers of 1 ms'
    const unit = 'messages/s'
    return [
      compared(
        {
          name,
          unit,
          rawName: '16 / service time',
          target: '≥ 0.9 of concurrency / service time',
          note: 'the service time is what the handler itself measured',
        },
        ours.map((one) => one.rate),
        ours.map((one) => (concurrency * 1000) / one.serviceMs),
        (ratio) => ratio >= 0.9,
      ),
      compared(
        { name: `${name}, against bare loops`, unit, rawName: '16 loops that only wait' },
        ours.map((one) => one.rate),
        bare.map((one) => one.rate),
      ),
    ]
  })
}
