import { Queue } from 'bullmq'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { eventOf, inBatches } from '../order.ts'

const [url = '', countText = '0', name = '', batch = '500', outstanding = '4'] = process.argv.slice(2)
const { hostname: host, port } = new URL(url)
const queue = new Queue(name, { connection: { host, port: Number(port) }, defaultJobOptions: { removeOnComplete: true } })
await queue.waitUntilReady()
await readyAndGo()
const startNs = nowNs()
await inBatches(Number(countText), Number(batch), Number(outstanding), (first, size) =>
  queue.addBulk(Array.from({ length: size }, (_, n) => ({ name: 'order', data: eventOf(first + n) }))),
)
const endNs = nowNs()
await queue.close()
report({ startNs, endNs })
