import { ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { eventOf, inBatches } from '../order.ts'

const [url = '', countText = '0', topic = '', batch = '500', outstanding = '16'] = process.argv.slice(2)
const count = Number(countText)
const producer = new Producer({
  clientId: 'bench',
  bootstrapBrokers: new URL(url).host.split(','),
  serializers: stringSerializers,
  acks: ProduceAcks.ALL,
})
await producer.metadata({ topics: [topic] })
await readyAndGo()
const startNs = nowNs()
await inBatches(count, Number(batch), Number(outstanding), (first, size) => {
  const messages = Array.from({ length: size }, (_, n) => {
    const event = eventOf(first + n)
    return { topic, key: event.data.customer, value: JSON.stringify(event) }
  })
  return producer.send({ messages })
})
const endNs = nowNs()
await producer.close()
report({ startNs, endNs })
