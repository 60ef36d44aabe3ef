import { join } from 'node:path'
import { connect } from 'sluice'
import { orderOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
const micros: number[] = []
for (let n = 0; n < count; n++) {
  const order = orderOf(n)
  const startNs = nowNs()
  await bus.publish(OrderPlaced, order)
  micros.push((nowNs() - startNs) / 1000)
}
await bus.stop()
report({ micros })
