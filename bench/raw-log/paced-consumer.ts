import { watch } from 'node:fs'
import { join } from 'node:path'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { Doorbell, openLog } from './log.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const db = openLog(folder)
const bell = new Doorbell(folder)
const read = db.prepare('SELECT data FROM message WHERE position >= ? AND position < ? ORDER BY position')
const setCursor = db.prepare('UPDATE cursor SET position = ?')
const micros: number[] = []
let cursor = 0
const drain = (): void => {
  const synced = bell.read()
  if (synced <= cursor) return
  for (const row of read.all(cursor, synced)) micros.push((nowNs() - (JSON.parse(row.data as string) as { sentNs: number }).sentNs) / 1000)
  cursor = synced
  setCursor.run(cursor)
  if (cursor >= count) {
    watcher.close()
    clearInterval(poll)
    report({ micros })
  }
}
const watcher = watch(join(folder, 'bell'), drain)
const poll = setInterval(drain, 100)
await readyAndGo()
