/** Transactions of an application on the bus file: a business row, and an order published or plainly inserted. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { connect } from 'sluice'
import { cloudEventOf, orderOf } from '../order.ts'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', kind = 'publish', synchronous = 'FULL'] = process.argv.slice(2)
const count = Number(countText)
const path = join(folder, 'bus.db')
const bus = await connect({ service: 'order', url: `file:${path}`, logger: false })
// Declares the channel.
await bus.publish(OrderPlaced, orderOf(0))
const db = new DatabaseSync(path, { timeout: 5000 })
db.exec(`PRAGMA synchronous = ${synchronous}`)
db.exec('CREATE TABLE business (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total REAL NOT NULL) STRICT')
db.exec('CREATE TABLE plain (id INTEGER PRIMARY KEY, event TEXT NOT NULL) STRICT')
const begin = db.prepare('BEGIN IMMEDIATE')
const commit = db.prepare('COMMIT')
const insertBusiness = db.prepare('INSERT INTO business(customer, total) VALUES(?, ?)')
const insertPlain = db.prepare('INSERT INTO plain(event) VALUES(?)')

async function run(from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const order = orderOf(n)
    begin.run()
    insertBusiness.run(order.customer, order.total)
    if (kind === 'publish') await bus.publish(OrderPlaced, order, { tx: db })
    else insertPlain.run(JSON.stringify(cloudEventOf(n)))
    commit.run()
    // Both leave the loop to others between transactions, as an application does.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

await readyAndGo()
await run(0, count / 4)
const startNs = nowNs()
await run(count / 4, count)
const endNs = nowNs()
db.close()
await bus.stop()
report({ rate: (count * 0.75e9) / (endNs - startNs) })
