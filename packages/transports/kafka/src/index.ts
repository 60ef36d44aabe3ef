import type { TransportFactory } from '@sluice/core/transport'
import { KafkaTransport } from './kafka-transport.ts'

/** Opens `kafka:` and `kafka+ssl:` URLs: channels as topics, on Kafka 2.5 or newer. */
export const transport: TransportFactory = {
  schemes: ['kafka', 'kafka+ssl'],
  open: (url, context) => KafkaTransport.open(url, context),
}

export type { KafkaOptions } from './options.ts'
