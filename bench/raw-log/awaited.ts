import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { cloudEventOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { openLog, WalSync } from './log.ts'

const [folder = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const db = openLog(folder)
db.prepare('SELECT position FROM cursor').get()
const wal = new WalSync(folder)
const insert = db.prepare('INSERT INTO message(position, data) VALUES(?, ?)')
await readyAndGo()
const micros: number[] = []
const syncMicros: number[] = []
for (let n = 0; n < count; n++) {
  const text = JSON.stringify(cloudEventOf(n))
  const startNs = nowNs()
  insert.run(n, text)
  const committedNs = nowNs()
  await wal.sync()
  const endNs = nowNs()
  micros.push((endNs - startNs) / 1000)
  syncMicros.push((endNs - committedNs) / 1000)
}
// The same sync where the file need not grow: a page written over zeros.
const roomMicros: number[] = []
const page = Buffer.alloc(4096)
const file = openSync(join(folder, 'room'), 'w+')
writeSync(file, Buffer.alloc(page.length * count))
fdatasyncSync(file)
for (let n = 0; n < count; n++) {
  writeSync(file, page, 0, page.length, n * page.length)
  const startNs = nowNs()
  fdatasyncSync(file)
  roomMicros.push((nowNs() - startNs) / 1000)
}
report({ micros, syncMicros, roomMicros })
