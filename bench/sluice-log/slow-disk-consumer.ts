/** Consumes all, and how late the loop's timers are meanwhile. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { LoopDelay } from '../loop-delay.ts'
import { readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
const loopDelay = new LoopDelay()
let handled = 0
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
bus.on(OrderPlaced, () => {
  if (++handled === count / 10) loopDelay.start()
  if (handled === count) finish?.()
})
await bus.start()
await readyAndGo()
await finished
const loopDelayMs = loopDelay.p99Ms()
await bus.stop()
report({ loopDelayMs })
