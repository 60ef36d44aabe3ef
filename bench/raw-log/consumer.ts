import { watch } from 'node:fs'
import { join } from 'node:path'
import { batchSize } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { Doorbell, openLog } from './log.ts'

const [folder = '', countText = '0', rows = 'batch'] = process.argv.slice(2)
const count = Number(countText)

const db = openLog(folder)
const bell = new Doorbell(folder)
const readBatches = db.prepare('SELECT data FROM batch WHERE first >= ? AND first < ? ORDER BY first LIMIT 1')
const readMessages = db.prepare('SELECT data FROM message WHERE position >= ? AND position < ? ORDER BY position LIMIT ?')
const setCursor = db.prepare('UPDATE cursor SET position = ?')

let wake: (() => void) | undefined
const watcher = watch(join(folder, 'bell'), () => wake?.())
await readyAndGo()

let cursor = 0
let quantity = 0
let startNs = 0
while (cursor < count) {
  const synced = bell.read()
  if (cursor >= synced) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 20)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    continue
  }
  if (startNs === 0) startNs = nowNs()
  while (cursor < synced) {
    if (rows === 'batch') {
      for (const row of readBatches.all(cursor, synced))
        for (const event of JSON.parse(row.data as string) as { data: { quantity: number } }[]) quantity += event.data.quantity
    } else {
      for (const row of readMessages.all(cursor, synced, batchSize))
        quantity += (JSON.parse(row.data as string) as { data: { quantity: number } }).data.quantity
    }
    cursor += batchSize
    setCursor.run(cursor)
  }
  await new Promise((resolve) => setImmediate(resolve))
}
watcher.close()
if (quantity === 0) throw new Error('nothing was read')
report({ startNs, endNs: nowNs() })
