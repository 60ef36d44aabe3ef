import { join } from 'node:path'
import { connect } from 'sluice'
import { orderOf } from '../order.ts'
import { atRate } from '../pace.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', rate = '2000'] = process.argv.slice(2)
const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
await atRate(Number(rate), Number(countText), (n) => {
  bus.publish(OrderPlaced, orderOf(n), { headers: { 'sent-ns': String(nowNs()) } }).catch((error: unknown) => {
    throw error
  })
})
await bus.stop()
report({})
