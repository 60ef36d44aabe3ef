/** Handles what comes; says every second what it used and how old the messages were. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { percentile } from '../benchmark.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { SoakOrderPlaced } from './soak-contract.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
let handled = 0
let micros: number[] = []
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
bus.on(SoakOrderPlaced, (_order, context) => {
  const sentNs = context.message.headers['sent-ns']
  if (sentNs !== undefined) micros.push((nowNs() - Number(sentNs)) / 1000)
  if (++handled === count) finish?.()
})
await bus.start()
process.once('message', () => process.once('message', () => finish?.()))
await readyAndGo()
const sample = setInterval(() => {
  if (micros.length > 0) process.send?.({ rss: process.memoryUsage().rss, handled, p50: percentile(micros, 0.5), p99: percentile(micros, 0.99) })
  micros = []
}, 1000)
await finished
clearInterval(sample)
await bus.stop()
report({ done: true, handled, cpuMicros: process.cpuUsage().user + process.cpuUsage().system })
