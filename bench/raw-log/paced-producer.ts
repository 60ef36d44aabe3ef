import { cloudEventOf } from '../order.ts'
import { atRate } from '../pace.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { Doorbell, openLog, WalSync } from './log.ts'

const [folder = '', countText = '0', rate = '2000'] = process.argv.slice(2)
const count = Number(countText)
const db = openLog(folder)
db.prepare('SELECT position FROM cursor').get()
const wal = new WalSync(folder)
const bell = new Doorbell(folder)
const insert = db.prepare('INSERT INTO message(position, data) VALUES(?, ?)')
await readyAndGo()
let committed = 0
let syncing: Promise<void> | undefined
// What is sent in one turn of the loop shares a sync: the second message would else wait for two.
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
async function syncOnce(): Promise<void> {
  await nextTurn()
  const upTo = committed
  await wal.sync()
  bell.ring(upTo)
  syncing = committed > upTo ? syncOnce() : undefined
}
await atRate(Number(rate), count, (n) => {
  insert.run(n, JSON.stringify({ ...cloudEventOf(n), sentNs: nowNs() }))
  committed = n + 1
  syncing ??= syncOnce()
})
while (syncing !== undefined) await syncing
report({})
