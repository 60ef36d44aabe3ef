import { Worker } from 'bullmq'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

const [url = '', countText = '0', name = '', , , concurrency = '100'] = process.argv.slice(2)
const { hostname: host, port } = new URL(url)
const tally = new Tally(Number(countText))
const worker = new Worker(name, async (job) => tally.handle(orderIn(job.data), nowNs), {
  connection: { host, port: Number(port), maxRetriesPerRequest: null },
  concurrency: Number(concurrency),
  removeOnComplete: { count: 0 },
})
await worker.waitUntilReady()
await readyAndGo()
const startNs = await tally.done()
// Waits until the last jobs are moved to completed.
await worker.close()
report({ startNs, endNs: nowNs() })
