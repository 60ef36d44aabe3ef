import { join } from 'node:path'
import { connect } from 'sluice'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)

const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
let handled = 0
let quantity = 0
let startNs = 0
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
bus.on(OrderPlaced, (order) => {
  if (handled === 0) startNs = nowNs()
  quantity += order.quantity
  if (++handled === count) finish?.()
})
await bus.start()
await readyAndGo()
await finished
// Until everything is settled too: what would be redelivered is not done.
await bus.stop()
if (quantity === 0) throw new Error('nothing was read')
report({ startNs, endNs: nowNs() })
