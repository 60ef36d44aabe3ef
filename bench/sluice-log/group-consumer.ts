/** Several groups in one process. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', , groupsText = '4'] = process.argv.slice(2)
const groups = Number(groupsText)
const total = Number(countText) * groups
const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
let handled = 0
let quantity = 0
let startNs = 0
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
for (let n = 0; n < groups; n++) {
  bus.on(
    OrderPlaced,
    (order) => {
      if (handled === 0) startNs = nowNs()
      quantity += order.quantity
      if (++handled === total) finish?.()
    },
    { group: `group-${n}` },
  )
}
await bus.start()
await readyAndGo()
await finished
await bus.stop()
if (quantity === 0) throw new Error('nothing was read')
report({ startNs, endNs: nowNs() })
