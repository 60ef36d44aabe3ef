/** Handles orders through Sluice on any broker; in a paced run it also measures how long each was under way. */
import { connect } from 'sluice'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderPlaced } from './contract.ts'

const [url = '', channel = '', countText = '0', mode = 'batches'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'inventory', url, logger: false })
const finished = Promise.withResolvers<void>()
const micros: number[] = []
let handled = 0
let quantity = 0
let startNs = 0
bus.on(orderPlaced(channel), (order, context) => {
  if (mode === 'paced') micros.push((nowNs() - Number(context.message.headers['sent-ns'])) / 1000)
  if (handled === 0) startNs = nowNs()
  quantity += order.quantity
  if (++handled === count) finished.resolve()
})
await bus.start()
await readyAndGo()
await finished.promise
// Until everything is settled too: what would be redelivered is not done.
await bus.stop()
if (quantity === 0) throw new Error('nothing was read')
report({ startNs, endNs: nowNs(), micros })
