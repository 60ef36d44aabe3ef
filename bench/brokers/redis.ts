import { connect } from 'node:net'
import type { Broker } from './broker.ts'

/** Empties the server: what one run left would be memory and log for the next. */
function flushAll(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write('FLUSHALL SYNC\r\n'))
    socket.once('error', reject)
    socket.once('data', (said) => {
      socket.destroy()
      if (said[0] === 0x2b) resolve()
      else reject(new Error(`FLUSHALL: ${said}`))
    })
  })
}

export const redis: Broker = {
  server: 'redis',
  title: 'Redis Streams',
  rawName: 'ioredis',
  raw: 'redis-events',
  share: 0.3,
  batch: [1000, 8],
  note: 'appendfsync always; the raw client writes the same fields in pipelines of 1,000, 8 outstanding, reads 1,000 with XREADGROUP, parses, validates, and sends XACK beside the next read',
  library: {
    name: 'BullMQ',
    roles: 'bullmq',
    share: 0.15,
    settings: ['200', '4', '500'],
    note: 'the same server; addBulk of 200, 4 outstanding; one worker, concurrency 500, completed jobs removed',
  },
  place: async ({ url }, run) => ({ url: `${url}?prefix=${run}:`, rawUrl: url, dispose: () => flushAll(url) }),
}
