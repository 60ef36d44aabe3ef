import type { Broker } from './broker.ts'

export const kafka: Broker = {
  server: 'kafka',
  title: 'Kafka',
  rawName: '@platformatic/kafka',
  raw: 'kafka-events',
  share: 0.3,
  batch: [1000, 8],
  note: '8 partitions, acks=all, idempotent, no compression; the raw client writes the same headers, 1,000 a send, 8 sends outstanding, fetches up to 4 MiB, parses, validates, and commits each 100 ms',
  library: {
    name: '@nestjs/microservices',
    roles: 'nest-kafka',
    share: 0.3,
    settings: ['1000', '8'],
    note: '8 partitions, acks=all, emitBatch of 1,000, 8 outstanding; one message after the other, offsets committed each 100 ms',
  },
  // Topics of earlier runs cost nothing but their files, which go with the server.
  place: async ({ url }, run) => ({ url: `${url}?prefix=${run}.`, rawUrl: url, dispose: async () => {} }),
}
