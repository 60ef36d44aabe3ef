/** Single publishes, a number of them outstanding, and how late the loop's timers are meanwhile. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { LoopDelay } from '../loop-delay.ts'
import { orderOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', outstanding = '1000'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
let next = 0
let startNs = 0
const loopDelay = new LoopDelay()
const publishNext = async (): Promise<void> => {
  while (next < count) {
    // The first tenth warms the code up.
    if (next === count / 10) {
      startNs = nowNs()
      loopDelay.start()
    }
    await bus.publish(OrderPlaced, orderOf(next++))
  }
}
await Promise.all(Array.from({ length: Number(outstanding) }, publishNext))
const endNs = nowNs()
const loopDelayMs = loopDelay.p99Ms()
await bus.stop()
report({ rate: (count * 0.9e9) / (endNs - startNs), loopDelayMs })
