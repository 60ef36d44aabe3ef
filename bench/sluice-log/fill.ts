/** Fills a bus with orders, as fast as it takes them. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { batchSize, type Order, orderOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
const startNs = nowNs()
const outstanding: Promise<unknown>[] = []
for (let first = 0; first < count; first += batchSize) {
  const entries: { data: Order }[] = []
  for (let n = first; n < Math.min(count, first + batchSize); n++) entries.push({ data: orderOf(n) })
  outstanding.push(bus.publishMany(OrderPlaced, entries))
  if (outstanding.length >= 32) await outstanding.shift()
}
await Promise.all(outstanding)
const endNs = nowNs()
await bus.stop()
report({ startNs, endNs })
