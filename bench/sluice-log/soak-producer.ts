/** Publishes at a steady rate until it is told to stop; says what it used, every second. */
import { join } from 'node:path'
import { connect, isSluiceError, type PublishEntry } from 'sluice'
import { type Order, orderOf } from '../order.ts'
import { atRate } from '../pace.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { SoakOrderPlaced } from './soak-contract.ts'

const [folder = '', countText = '0', rate = '50000'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
let refused = 0
let cause: string | undefined
const sample = setInterval(() => process.send?.({ rss: process.memoryUsage().rss, refused }), 1000)
let due: PublishEntry<Order>[] = []
const publishDue = (): void => {
  const entries = due
  due = []
  bus.publishMany(SoakOrderPlaced, entries).catch((error: unknown) => {
    refused += entries.length
    cause ??= isSluiceError(error) ? error.code : String(error)
  })
}
await atRate(Number(rate), count, (n) => {
  // What a timer's turn owes is one call. Every fiftieth carries its time: a header on each would be a tenth of the load.
  if (due.length === 0) queueMicrotask(publishDue)
  due.push(n % 50 === 0 ? { data: orderOf(n), headers: { 'sent-ns': String(nowNs()) } } : { data: orderOf(n) })
})
clearInterval(sample)
await bus.stop()
report({ done: true, refused, cause, cpuMicros: process.cpuUsage().user + process.cpuUsage().system })
