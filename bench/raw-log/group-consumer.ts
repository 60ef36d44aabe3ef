/** Several cursors in one process: each reads, parses and commits its own. */
import { watch } from 'node:fs'
import { join } from 'node:path'
import { batchSize } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { Doorbell, openLog } from './log.ts'

const [folder = '', countText = '0', , groupsText = '4'] = process.argv.slice(2)
const count = Number(countText)
const groups = Number(groupsText)
const db = openLog(folder)
const bell = new Doorbell(folder)
const insert = db.prepare('INSERT OR IGNORE INTO cursor VALUES(?, 0)')
for (let n = 0; n < groups; n++) insert.run(n + 1)
const read = db.prepare('SELECT data FROM batch WHERE first >= ? AND first < ? ORDER BY first LIMIT 1')
const setCursor = db.prepare('UPDATE cursor SET position = ? WHERE id = ?')

let wake: (() => void) | undefined
const watcher = watch(join(folder, 'bell'), () => wake?.())
await readyAndGo()

const cursors: number[] = Array.from({ length: groups }, () => 0)
let quantity = 0
let startNs = 0
while (cursors.some((cursor) => cursor < count)) {
  const synced = bell.read()
  if (cursors.every((cursor) => cursor >= synced)) {
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
  // Each group some batches at a time, so that none lags far behind.
  for (const [group, cursor] of cursors.entries()) {
    let position = cursor
    for (; position < synced && position < cursor + 8 * batchSize; position += batchSize) {
      for (const row of read.all(position, synced))
        for (const event of JSON.parse(row['data'] as string) as { data: { quantity: number } }[]) quantity += event.data.quantity
      setCursor.run(position + batchSize, group + 1)
    }
    cursors[group] = position
  }
  await new Promise((resolve) => setImmediate(resolve))
}
watcher.close()
if (quantity === 0) throw new Error('nothing was read')
report({ startNs, endNs: nowNs() })
