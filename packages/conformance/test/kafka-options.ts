import type { ConformanceOptions } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/kafka'
import { kafkaPlace, sessionMs } from './kafka-rig.ts'
import { keptServer, ownServer } from './own-server.ts'

/** How the suite finds a Kafka: every case has topics under a prefix of its own. */
export const kafkaOptions: ConformanceOptions = {
  name: 'kafka',
  transport,
  size: 'short',
  url: async () => ({ url: kafkaPlace().url }),
  options: { kafka: { sessionMs, partitions: 4 } },
  crash: (open) => {
    if ('crash' in open && typeof open.crash === 'function') open.crash()
  },
  server: () => ownServer('kafka'),
  member: { module: import.meta.resolve('@sluice/kafka'), export: 'transport' },
}

/** With faults: through the proxy, whatever the broker says of its address; a half-open connection is noticed while one waits. */
export function kafkaFaultOptions(): ConformanceOptions {
  const start = keptServer('kafka')
  return {
    ...kafkaOptions,
    options: { kafka: { sessionMs, replyTimeoutMs: 3_000, tunnel: true } },
    server: async () => {
      const server = await start()
      return { ...server, url: `${server.url}?prefix=case-${newId()}.` }
    },
  }
}
