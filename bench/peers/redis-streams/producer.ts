import { Redis } from 'ioredis'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { eventOf, inBatches } from '../order.ts'

const [url = '', countText = '0', stream = '', batch = '500', outstanding = '8'] = process.argv.slice(2)
const redis = new Redis(url)
await redis.ping()
await readyAndGo()
const startNs = nowNs()
await inBatches(Number(countText), Number(batch), Number(outstanding), async (first, size) => {
  const pipeline = redis.pipeline()
  for (let n = first; n < first + size; n++) {
    const event = eventOf(n)
    pipeline.xadd(stream, '*', 'key', event.data.customer, 'value', JSON.stringify(event))
  }
  for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
})
const endNs = nowNs()
redis.disconnect()
report({ startNs, endNs })
