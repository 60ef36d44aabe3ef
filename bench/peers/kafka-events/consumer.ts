import { Admin, Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

const [url = '', topic = '', countText = '0', mode = 'batches'] = process.argv.slice(2)
/** As many as a channel of Sluice's has. */
const partitions = 8
const tally = new Tally(Number(countText))
const micros: number[] = []
const bootstrapBrokers = new URL(url).host.split(',')
const admin = new Admin({ clientId: 'bench', bootstrapBrokers })
await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
const consumer = new Consumer({ clientId: 'bench', groupId: `${topic}-group`, bootstrapBrokers, deserializers: stringDeserializers })
const stream = await consumer.consume({
  topics: [topic],
  mode: MessagesStreamModes.EARLIEST,
  autocommit: 100,
  maxBytes: 4 << 20,
  minBytes: 1,
  maxWaitTime: 100,
  highWaterMark: 4096,
})
const last = new Map<number, bigint>()
stream.on('data', (message) => {
  if (mode === 'paced') micros.push((nowNs() - Number(message.headers.get('sent-ns'))) / 1000)
  tally.handle(orderIn({ data: JSON.parse(message.value) }), nowNs)
  last.set(message.partition, message.offset)
})
await readyAndGo()
const startNs = await tally.done()
await consumer.commit({ offsets: [...last].map(([partition, offset]) => ({ topic, partition, offset: offset + 1n, leaderEpoch: -1 })) })
const endNs = nowNs()
await stream.close()
await consumer.close(true)
await admin.close()
report({ startNs, endNs, micros })
