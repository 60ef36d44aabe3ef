/**
 * One of the processes that drain a backlog: tells how far it is every 20 ms, ends when it is told to, and leaves what it
 * handled and when (order's number, ns) in a file of its own, so that order can be judged over all processes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'sluice'
import { numberOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', trace = ''] = process.argv.slice(2)
const numbers = new Float64Array(trace === '' ? 0 : Number(countText))
const times = new Float64Array(numbers.length)
const offsetNs = nowNs() - performance.now() * 1e6
let handled = 0
let firstNs = 0
let told = 0

await readyAndGo()
const connectNs = nowNs()
const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
bus.on(OrderPlaced, (order) => {
  if (handled === 0) firstNs = nowNs()
  if (trace !== '') {
    numbers[handled] = numberOf(order)
    times[handled] = offsetNs + performance.now() * 1e6
  }
  handled++
})
const progress = setInterval(() => {
  if (handled === told) return
  told = handled
  process.send?.({ handled, atNs: nowNs() })
}, 20)
const ended = new Promise<void>((resolve) => process.once('message', () => resolve()))
await bus.start()
await ended
clearInterval(progress)
await bus.stop()
if (trace !== '') {
  writeFileSync(`${trace}.n`, Buffer.from(numbers.buffer, 0, handled * 8))
  writeFileSync(`${trace}.t`, Buffer.from(times.buffer, 0, handled * 8))
}
report({ handled, connectNs, firstNs, rssMax: process.resourceUsage().maxRSS * 1024 })
