/** Orders handled for 5 ms each, one after the other in each of 4 partitions: what a Kafka consumer's own concurrency is. */
import { Admin } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

const [url = '', topic = '', countText = '0'] = process.argv.slice(2)
const partitions = 4
const tally = new Tally(Number(countText))
const brokers = new URL(url).host.split(',')
const admin = new Admin({ clientId: 'bench', bootstrapBrokers: brokers })
await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
await admin.close()
const consumer = new Kafka({ clientId: 'bench', brokers, logLevel: logLevel.ERROR }).consumer({ groupId: `${topic}-group` })
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
let startNs = 0
await consumer.run({
  partitionsConsumedConcurrently: partitions,
  autoCommitInterval: 100,
  eachMessage: async ({ message }) => {
    if (startNs === 0) startNs = nowNs()
    const order = orderIn({ data: JSON.parse(String(message.value)) })
    await new Promise((resolve) => setTimeout(resolve, 5))
    tally.handle(order, nowNs)
  },
})
await readyAndGo()
await tally.done()
// Commits what is left.
await consumer.disconnect()
report({ startNs, endNs: nowNs() })
