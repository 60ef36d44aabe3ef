import { Redis } from 'ioredis'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { Tally } from '../order.ts'
import { eventIn } from './fields.ts'

type Entries = readonly (readonly [string, readonly (readonly [id: string, fields: readonly string[]])[]])[]

const [url = '', stream = '', countText = '0', mode = 'batches', batch = '500'] = process.argv.slice(2)
const tally = new Tally(Number(countText))
const micros: number[] = []
// A blocking read holds its connection: what is acknowledged goes over another one, beside the next read.
const reading = new Redis(url)
const settling = new Redis(url)
await settling.xgroup('CREATE', stream, 'bench', '0', 'MKSTREAM')
await readyAndGo()
let settled: Promise<unknown> = Promise.resolve()
while (!tally.complete) {
  const found = (await reading.xreadgroup('GROUP', 'bench', 'one', 'COUNT', Number(batch), 'BLOCK', 1000, 'STREAMS', stream, '>')) as Entries | null
  for (const [, entries] of found ?? []) {
    for (const [, fields] of entries) {
      const { attributes, order } = eventIn(fields)
      if (mode === 'paced') micros.push((nowNs() - Number(attributes['h:sent-ns'])) / 1000)
      tally.handle(order, nowNs)
    }
    await settled
    settled = settling.xack(stream, 'bench', ...entries.map(([id]) => id))
  }
}
await settled
const endNs = nowNs()
reading.disconnect()
settling.disconnect()
report({ startNs: await tally.done(), endNs, micros })
