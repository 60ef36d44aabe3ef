import { setImmediate } from 'node:timers/promises'
import { batchSize, cloudEventOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { Doorbell, openLog, WalSync } from './log.ts'

const [folder = '', countText = '0', rows = 'batch'] = process.argv.slice(2)
const count = Number(countText)
const unsyncedBatchesMax = 32

const db = openLog(folder)
db.prepare('SELECT position FROM cursor').get()
const wal = new WalSync(folder)
const bell = new Doorbell(folder)
const insertBatch = db.prepare('INSERT INTO batch(first, data) VALUES(?, ?)')
const insertMessages = db.prepare(`INSERT INTO message(position, data) VALUES ${Array.from({ length: batchSize }, () => '(?,?)').join(',')}`)

await readyAndGo()
const startNs = nowNs()
let committed = 0
let synced = 0
let syncing: Promise<void> | undefined

/** Acknowledges what was committed before the sync began. */
async function syncOnce(): Promise<void> {
  const upTo = committed
  await wal.sync()
  synced = upTo
  bell.ring(synced)
  syncing = committed > synced ? syncOnce() : undefined
}

while (committed < count) {
  if (rows === 'batch') {
    const texts: string[] = []
    for (let n = 0; n < batchSize; n++) texts.push(JSON.stringify(cloudEventOf(committed + n)))
    insertBatch.run(committed, `[${texts.join(',')}]`)
  } else {
    const values: (number | string)[] = []
    for (let n = 0; n < batchSize; n++) values.push(committed + n, JSON.stringify(cloudEventOf(committed + n)))
    insertMessages.run(...values)
  }
  committed += batchSize
  syncing ??= syncOnce()
  await setImmediate()
  while (committed - synced > unsyncedBatchesMax * batchSize) await syncing
}
while (synced < count) await syncing
report({ startNs, endNs: nowNs() })
