import type { TransportFactory } from '@sluice/core/transport'
import { RabbitTransport } from './rabbit-transport.ts'

/** Opens `amqp:` and `amqps:` URLs: RabbitMQ 3.10 and newer, one server or a cluster. */
export const transport: TransportFactory = {
  schemes: ['amqp', 'amqps'],
  open: (url, context) => RabbitTransport.open(url, context),
}

export type { RabbitOptions } from './options.ts'
