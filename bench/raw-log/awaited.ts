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
report({ micros, syncMicros })
