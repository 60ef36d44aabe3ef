import { Redis } from 'ioredis'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

type Entries = readonly (readonly [string, readonly (readonly [id: string, fields: readonly string[]])[]])[]

const [url = '', countText = '0', stream = '', batch = '500'] = process.argv.slice(2)
const tally = new Tally(Number(countText))
// A blocking read holds its connection: what is acknowledged goes over another one, beside the next read.
const reading = new Redis(url)
const settling = new Redis(url)
await settling.xgroup('CREATE', stream, 'bench', '0', 'MKSTREAM')
await readyAndGo()
let settled: Promise<unknown> = Promise.resolve()
while (!tally.complete) {
  const found = (await reading.xreadgroup('GROUP', 'bench', 'one', 'COUNT', Number(batch), 'BLOCK', 1000, 'STREAMS', stream, '>')) as Entries | null
  for (const [, entries] of found ?? []) {
    for (const [, fields] of entries) tally.handle(orderIn(JSON.parse(fields[3] ?? '')), nowNs)
    await settled
    settled = settling.xack(stream, 'bench', ...entries.map(([id]) => id))
  }
}
await settled
const endNs = nowNs()
await settling.del(stream)
reading.disconnect()
settling.disconnect()
report({ startNs: await tally.done(), endNs })
