/** Groups whose every message fails once and waits, and one group of other messages. */
import { join } from 'node:path'
import { connect, RetryAfter } from 'sluice'
import { percentile } from '../benchmark.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'
import { ReminderDue } from './reminder-contract.ts'

const [folder = '', countText = '0', groupsText = '0', keysText = '0'] = process.argv.slice(2)
const count = Number(countText)
const groups = Number(groupsText)
const keys = Number(keysText)
/** They come back over so long a time, from this long after the last failed. */
const spreadMs = 12_000
const leadMs = 1500

const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
const micros: number[] = []
const lateMs: number[] = []
let failed = 0
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
let allFailed: (() => void) | undefined
const waiting = new Promise<void>((resolve) => {
  allFailed = resolve
})
const wallMs = (): number => performance.timeOrigin + performance.now()
// All have failed within this time, or it is said.
const failingMs = 60_000
let baseMs = 0
for (let n = 0; n < groups; n++) {
  const dueMs = new Map<string, number>()
  bus.on(
    ReminderDue,
    ({ customer, total }) => {
      const due = dueMs.get(customer)
      if (due !== undefined) {
        lateMs.push(wallMs() - due)
        return
      }
      const waitMs = Math.max(1, Math.round(baseMs + (total * spreadMs) / keys - wallMs()))
      dueMs.set(customer, wallMs() + waitMs)
      if (++failed === groups * keys) allFailed?.()
      throw new RetryAfter(waitMs)
    },
    { group: `failing-${n}` },
  )
}
bus.on(OrderPlaced, (_order, context) => {
  if (micros.push((nowNs() - Number(context.message.headers['sent-ns'])) / 1000) === count) finish?.()
})
await readyAndGo()
if (groups > 0) {
  baseMs = wallMs() + failingMs
  for (let first = 0; first < keys; first += 500)
    await bus.publishMany(
      ReminderDue,
      Array.from({ length: 500 }, (_, n) => ({ data: { customer: `c${first + n}`, dueMs: 0, total: first + n, quantity: 1 } })),
    )
}
await bus.start()
if (groups > 0) await waiting
const leftMs = groups === 0 ? 0 : baseMs - wallMs() - leadMs
if (leftMs < 0) throw new Error('they failed more slowly than planned for')
await new Promise((resolve) => setTimeout(resolve, leftMs))
process.send?.('waiting')
await finished
// The last of them are due before the last of the others are sent; a little later at most.
for (let n = 0; n < 50 && lateMs.length < groups * keys; n++) await new Promise((resolve) => setTimeout(resolve, 100))
await bus.stop()
if (lateMs.length < groups * keys) throw new Error(`${lateMs.length} of ${groups * keys} came again`)
const rest = micros.slice(count / 10)
report({ late: groups === 0 ? 0 : percentile(lateMs, 0.99), others: { p50: percentile(rest, 0.5) / 1000, p99: percentile(rest, 0.99) / 1000 } })
