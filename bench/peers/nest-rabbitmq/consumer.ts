import { type RmqContext, Transport } from '@nestjs/microservices'
import { consume, pattern } from '../nest/microservice.ts'

const [url = '', countText = '0', queue = ''] = process.argv.slice(2)
await consume(
  Number(countText),
  pattern,
  {
    transport: Transport.RMQ,
    options: {
      urls: [url],
      queue,
      queueOptions: { durable: true, arguments: { 'x-queue-type': 'quorum' } },
      noAck: false,
      prefetchCount: 1000,
      socketOptions: { connectionOptions: { noDelay: true } },
    },
  },
  (context) => {
    const rmq = context as RmqContext
    rmq.getChannelRef().ack(rmq.getMessage())
  },
)
