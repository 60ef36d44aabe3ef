/** The raw client's side on Redis Streams: the same CloudEvents fields that Sluice writes, validated, in pipelines. */
import { Redis } from 'ioredis'
import { atRate } from '../../pace.ts'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { inBatches } from '../order.ts'
import { fieldsOf } from './fields.ts'

const [url = '', stream = '', countText = '0', mode = 'batches', batch = '500', outstanding = '8'] = process.argv.slice(2)
const count = Number(countText)
// At a steady rate, what is sent in one turn of the loop goes as one write.
const redis = new Redis(url, { enableAutoPipelining: mode !== 'batches' })
await redis.ping()
await readyAndGo()
const startNs = nowNs()
if (mode === 'batches')
  await inBatches(count, Number(batch), Number(outstanding), async (first, size) => {
    const pipeline = redis.pipeline()
    for (let n = first; n < first + size; n++) pipeline.xadd(stream, '*', ...fieldsOf(n))
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  })
else {
  const sent: Promise<unknown>[] = []
  await atRate(2000, count, (n) => {
    sent.push(redis.xadd(stream, '*', ...fieldsOf(n), 'h:sent-ns', String(nowNs())))
  })
  await Promise.all(sent)
}
const endNs = nowNs()
redis.disconnect()
report({ startNs, endNs })
