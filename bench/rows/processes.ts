import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyBacklog, Drain, fill } from '../backlog.ts'
import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { orderOf } from '../order.ts'

const members = 3
/** At least so many: three processes on two cores spend the first second warming up, three times. */
const countMin = 2_000_000

interface Handled {
  readonly n: number
  readonly atNs: number
}

async function handledBy(trace: string): Promise<Handled[]> {
  const read = async (path: string): Promise<Float64Array> => {
    const bytes = await readFile(path)
    return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  }
  const [numbers, times] = await Promise.all([read(`${trace}.n`), read(`${trace}.t`)])
  return Array.from(numbers, (n, index) => ({ n, atNs: times[index] as number }))
}

/** Orders of a customer in their order, over all processes, and each exactly once. Throws what is wrong. */
function judge(handled: readonly Handled[], count: number): void {
  const last = new Map<string, number>()
  const seen = new Uint8Array(count)
  for (const { n } of handled) {
    const { customer } = orderOf(n)
    const before = last.get(customer) ?? -1
    if (seen[n] === 1) throw new Error(`order ${n} was handled twice`)
    if (n < before) throw new Error(`order ${n} of ${customer} was handled after ${before}`)
    seen[n] = 1
    last.set(customer, n)
  }
  if (handled.length !== count) throw new Error(`${handled.length} of ${count} orders were handled`)
}

async function drainWith(processes: number, backlog: string, count: number): Promise<number> {
  return inFolder(async (folder) => {
    await copyBacklog(backlog, folder)
    const traces = Array.from({ length: processes }, (_, n) => join(folder, `handled-${n}`))
    const drains = traces.map((trace) => new Drain(folder, count, trace))
    await Promise.all(drains.map((drain) => drain.ready()))
    for (const drain of drains) drain.go()
    while (drains.reduce((sum, drain) => sum + drain.handled, 0) < count) await new Promise((resolve) => setTimeout(resolve, 20))
    await Promise.all(drains.map((drain) => drain.end()))
    const handled = (await Promise.all(traces.map(handledBy))).flat().sort((a, b) => a.atNs - b.atNs)
    judge(handled, count)
    return (count * 1e9) / ((handled.at(-1)?.atNs ?? 0) - (handled[0]?.atNs ?? 0))
  })
}

/** Three processes of one group drain a keyed backlog, against one process; order per key is checked over all of them. */
export async function groupOfProcesses(options: BenchOptions): Promise<readonly Row[]> {
  const count = Math.max(options.count, countMin)
  return inFolder(async (backlog) => {
    await fill(backlog, count)
    const one: number[] = []
    const three: number[] = []
    for (let pair = 0; pair < options.pairs; pair++) {
      one.push(await drainWith(1, backlog, count))
      three.push(await drainWith(members, backlog, count))
    }
    return [
      compared(
        {
          name: `${members} processes of one group drain a keyed backlog`,
          unit: 'messages/s',
          rawName: 'one process',
          target: '≥ 0.9 of one process, order kept',
          note: `order per key and exactly once, checked over all processes in each of ${options.pairs} runs of ${count.toLocaleString('en')}`,
        },
        three,
        one,
        (ratio) => ratio >= 0.9,
      ),
    ]
  })
}
