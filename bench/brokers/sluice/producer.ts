/** Publishes orders through Sluice on any broker: in batches, one call a message, or at a steady rate. */
import { connect } from 'sluice'
import { type Order, orderOf } from '../../order.ts'
import { atRate } from '../../pace.ts'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderPlaced, warmUp } from './contract.ts'

const [url = '', channel = '', countText = '0', mode = 'batches', batch = '500', outstandingMax = '8'] = process.argv.slice(2)
const count = Number(countText)
const OrderPlaced = orderPlaced(channel)
const bus = await connect({ service: 'order', url, logger: false })

async function publishBatches(size: number): Promise<void> {
  const outstanding: Promise<unknown>[] = []
  for (let first = 0; first < count; first += size) {
    const entries: { data: Order }[] = []
    for (let n = first; n < Math.min(count, first + size); n++) entries.push({ data: orderOf(n) })
    outstanding.push(bus.publishMany(OrderPlaced, entries))
    if (outstanding.length >= Number(outstandingMax)) await outstanding.shift()
  }
  await Promise.all(outstanding)
}

async function publishEach(): Promise<void> {
  let next = 0
  const publishNext = async (): Promise<void> => {
    while (next < count) await bus.publish(OrderPlaced, orderOf(next++))
  }
  await Promise.all(Array.from({ length: 1000 }, publishNext))
}

async function publishAtRate(): Promise<void> {
  const sent: Promise<unknown>[] = []
  await atRate(2000, count, (n) => {
    sent.push(bus.publish(OrderPlaced, orderOf(n), { headers: { 'sent-ns': String(nowNs()) } }))
  })
  await Promise.all(sent)
}

await bus.publish(warmUp(channel), orderOf(0))
await readyAndGo()
const startNs = nowNs()
await (mode === 'batches' ? publishBatches(Number(batch)) : mode === 'each' ? publishEach() : publishAtRate())
const endNs = nowNs()
await bus.stop()
report({ startNs, endNs })
