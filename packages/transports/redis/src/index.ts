import type { TransportFactory } from '@sluice/core/transport'
import { RedisTransport } from './redis-transport.ts'

/** Opens `redis:` and `rediss:` URLs: channels as Redis Streams, on Redis 7.0 or newer. */
export const transport: TransportFactory = {
  schemes: ['redis', 'rediss'],
  open: (url, context) => RedisTransport.open(url, context),
}

export type { RedisOptions } from './options.ts'
