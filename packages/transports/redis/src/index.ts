import type { TransportFactory } from '@sluice/core/transport'
import { PubSubTransport } from './pubsub/pubsub-transport.ts'
import { RedisTransport } from './redis-transport.ts'

/** Redis 7.0 or newer. `redis:` and `rediss:` are channels as Streams; `redis+pubsub:` and `rediss+pubsub:` at most once, broadcast only. */
export const transport: TransportFactory = {
  schemes: ['redis', 'rediss', 'redis+pubsub', 'rediss+pubsub'],
  open: (url, context) => (/^rediss?\+pubsub:/.test(url) ? PubSubTransport.open(url, context) : RedisTransport.open(url, context)),
}

export type { RedisOptions } from './options.ts'
