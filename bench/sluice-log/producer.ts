import { join } from 'node:path'
import { connect } from 'sluice'
import { batchSize, type Order, orderOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', mode = 'many'] = process.argv.slice(2)
const count = Number(countText)

const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
const startNs = nowNs()

/** `publishMany` of 500, up to 32 calls outstanding: the same bound as the raw log's. */
async function publishBatches(): Promise<void> {
  const outstanding: Promise<unknown>[] = []
  for (let first = 0; first < count; first += batchSize) {
    const entries: { data: Order }[] = []
    for (let n = first; n < first + batchSize; n++) entries.push({ data: orderOf(n) })
    outstanding.push(bus.publishMany(OrderPlaced, entries))
    if (outstanding.length >= 32) await outstanding.shift()
  }
  await Promise.all(outstanding)
}

/** One `publish` a message, 1,000 outstanding. */
async function publishEach(): Promise<void> {
  let next = 0
  const publishNext = async (): Promise<void> => {
    while (next < count) await bus.publish(OrderPlaced, orderOf(next++))
  }
  await Promise.all(Array.from({ length: 1000 }, publishNext))
}

await (mode === 'many' ? publishBatches() : publishEach())
const endNs = nowNs()
await bus.stop()
report({ startNs, endNs })
