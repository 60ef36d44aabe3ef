/** How late reminders come, and how long other messages take meanwhile. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { percentile } from '../benchmark.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'
import { ReminderDue } from './reminder-contract.ts'

const [folder = '', countText = '0', due = ''] = process.argv.slice(2)
const count = Number(countText)
const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
const micros: number[] = []
const lateMs: number[] = []
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
bus.on(OrderPlaced, (_order, context) => {
  if (micros.push((nowNs() - Number(context.message.headers['sent-ns'])) / 1000) === count) finish?.()
})
bus.on(ReminderDue, ({ dueMs }) => {
  lateMs.push(performance.timeOrigin + performance.now() - dueMs)
})
await bus.start()
await readyAndGo()
await finished
await bus.stop()
// The first of both warm the code up.
const others = micros.slice(count / 10)
const late = lateMs.slice(lateMs.length / 10)
if (due !== '' && late.length < 10_000) throw new Error(`only ${late.length} reminders came`)
report({
  others: { p50: percentile(others, 0.5) / 1000, p99: percentile(others, 0.99) / 1000 },
  due: due === '' ? undefined : { p50: percentile(late, 0.5), p99: percentile(late, 0.99) },
})
