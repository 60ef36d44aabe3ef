import { join } from 'node:path'
import { connect } from 'sluice'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
const micros: number[] = []
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
bus.on(OrderPlaced, (_order, context) => {
  micros.push((nowNs() - Number(context.message.headers['sent-ns'])) / 1000)
  if (micros.length === count) finish?.()
})
await bus.start()
await readyAndGo()
await finished
await bus.stop()
report({ micros })
