/** Schedules reminders: their times begin a lead after the last is stored, so that all of them wait at once. */
import { join } from 'node:path'
import { connect } from 'sluice'
import { batchSize, orderOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { ReminderDue } from './reminder-contract.ts'

const [folder = '', countText = '0', perSecondText = '10000', leadMsText = '0'] = process.argv.slice(2)
const count = Number(countText)
const perSecond = Number(perSecondText)
const bus = await connect({ service: 'order', url: `file:${join(folder, 'bus.db')}`, logger: false })
await readyAndGo()
const startNs = nowNs()
// Storing takes less than this, or it is said; the first come after it.
const storingMs = 30_000
const baseMs = Date.now() + storingMs + Number(leadMsText)
const outstanding: Promise<unknown>[] = []
for (let first = 0; first < count; first += batchSize) {
  const entries = []
  for (let n = first; n < first + batchSize; n++) {
    const { customer, total, quantity } = orderOf(n)
    const dueMs = baseMs + ((count - n) * 1000) / perSecond
    entries.push({ data: { customer, total, quantity, dueMs }, at: dueMs })
  }
  outstanding.push(bus.publishMany(ReminderDue, entries))
  if (outstanding.length >= 8) await outstanding.shift()
}
await Promise.all(outstanding)
const endNs = nowNs()
await bus.stop()
// Only so long as the first due one leaves the measurement time to start.
const leftMs = baseMs - Date.now() - 1500
if (leftMs < 0) throw new Error(`storing took ${((endNs - startNs) / 1e6).toFixed(0)} ms, longer than planned for`)
if (leftMs < 60_000) await new Promise((resolve) => setTimeout(resolve, leftMs))
report({ rate: (count * 1e9) / (endNs - startNs) })
