import 'reflect-metadata'
import { ClientProxyFactory, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { pattern } from '../nest/microservice.ts'
import { eventOf, inBatches } from '../order.ts'

const [url = '', countText = '0', queue = '', outstanding = '1000'] = process.argv.slice(2)
const client = ClientProxyFactory.create({
  transport: Transport.RMQ,
  options: {
    urls: [url],
    queue,
    queueOptions: { durable: true, arguments: { 'x-queue-type': 'quorum' } },
    persistent: true,
    socketOptions: { connectionOptions: { noDelay: true } },
  },
})
await client.connect()
await readyAndGo()
const startNs = nowNs()
await inBatches(Number(countText), 1, Number(outstanding), (n) => lastValueFrom(client.emit(pattern, eventOf(n)), { defaultValue: undefined }))
const endNs = nowNs()
await client.close()
report({ startNs, endNs })
