import 'reflect-metadata'
import { ClientKafka } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { eventOf, inBatches } from '../order.ts'

const [url = '', countText = '0', topic = '', batch = '1000', outstanding = '8'] = process.argv.slice(2)
const client = new ClientKafka({
  client: { clientId: 'bench', brokers: new URL(url).host.split(','), logLevel: 1 },
  producerOnlyMode: true,
  send: { acks: -1 },
})
await client.connect()
await readyAndGo()
const startNs = nowNs()
await inBatches(Number(countText), Number(batch), Number(outstanding), (first, size) => {
  const messages = Array.from({ length: size }, (_, n) => {
    const event = eventOf(first + n)
    return { key: event.data.customer, value: event }
  })
  return lastValueFrom(client.emitBatch(topic, { messages }), { defaultValue: undefined })
})
const endNs = nowNs()
await client.close()
report({ startNs, endNs })
