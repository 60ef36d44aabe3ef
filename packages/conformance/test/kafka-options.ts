import { after } from 'node:test'
import type { ConformanceOptions } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { keptServer, ownServer } from './own-server.ts'

const { SLUICE_TEST_KAFKA_URL: server = '' } = process.env

const prefixes: string[] = []

// All at once when the file is through: with ten thousand partitions of earlier runs a broker needs seconds for everything.
after(async () => {
  if (prefixes.length === 0) return
  const admin = new Kafka({ brokers: [new URL(server).host], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const topics = (await admin.listTopics()).filter((topic) => prefixes.some((prefix) => topic.startsWith(prefix)))
    await admin.deleteTopics({ topics })
  } finally {
    await admin.disconnect()
  }
})

/** How the suite finds a Kafka: every case has topics under a prefix of its own. */
export const kafkaOptions: ConformanceOptions = {
  name: 'kafka',
  transport,
  url: async () => {
    const prefix = `case-${newId()}.`
    prefixes.push(prefix)
    return { url: `${server}?prefix=${prefix}` }
  },
  // A session that is short enough to wait for; the broker must allow it (group.min.session.timeout.ms).
  options: { kafka: { sessionMs: 2_500, partitions: 4 } },
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
    options: { kafka: { sessionMs: 2_500, replyTimeoutMs: 3_000, tunnel: true } },
    server: async () => {
      const server = await start()
      return { ...server, url: `${server.url}?prefix=case-${newId()}.` }
    },
  }
}
