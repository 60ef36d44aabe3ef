/** Handles orders for 5 ms each, 100 at a time, in order per key. */
import { channel, connect } from 'sluice'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderPlaced } from './contract.ts'

const [url = '', name = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'inventory', url, logger: false })
const finished = Promise.withResolvers<void>()
let handled = 0
let startNs = 0
bus.on(
  orderPlaced(channel(name, { partitions: 4 })),
  async () => {
    if (startNs === 0) startNs = nowNs()
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (++handled === count) finished.resolve()
  },
  { concurrency: 100 },
)
await bus.start()
await readyAndGo()
await finished.promise
await bus.stop()
report({ startNs, endNs: nowNs() })
