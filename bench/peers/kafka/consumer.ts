import { Admin, Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

const [url = '', countText = '0', topic = '', , , partitions = '4'] = process.argv.slice(2)
const tally = new Tally(Number(countText))
const admin = new Admin({ clientId: 'bench', bootstrapBrokers: new URL(url).host.split(',') })
await admin.createTopics({ topics: [topic], partitions: Number(partitions), replicas: 1 })
const consumer = new Consumer({
  clientId: 'bench',
  groupId: `${topic}-group`,
  bootstrapBrokers: new URL(url).host.split(','),
  deserializers: stringDeserializers,
})
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
  tally.handle(orderIn(JSON.parse(message.value)), nowNs)
  last.set(message.partition, message.offset)
})
await readyAndGo()
const startNs = await tally.done()
await consumer.commit({ offsets: [...last].map(([partition, offset]) => ({ topic, partition, offset: offset + 1n, leaderEpoch: -1 })) })
const endNs = nowNs()
await stream.close()
await consumer.close(true)
await admin.deleteTopics({ topics: [topic] })
await admin.close()
report({ startNs, endNs })
