import { connect } from 'node:net'
import type { ConformanceOptions } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/redis'
import { ownServer } from './own-server.ts'

const { SLUICE_TEST_REDIS_URL: server = '' } = process.env

/** Removes all keys that begin with a prefix. */
async function removeKeys(prefix: string): Promise<void> {
  const { hostname, port } = new URL(server)
  const script = `local c='0' repeat local r=redis.call('SCAN',c,'MATCH',ARGV[1]..'*','COUNT',1000) c=r[1] for _,k in ipairs(r[2]) do redis.call('UNLINK',k) end until c=='0'`
  const words = ['EVAL', script, '0', prefix]
  const socket = connect(Number(port), hostname)
  socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  await new Promise<void>((resolve, reject) => socket.once('data', () => resolve()).once('error', reject))
  socket.destroy()
}

/** How the suite finds a Redis: every case has keys under a prefix of its own. */
export const redisOptions: ConformanceOptions = {
  name: 'redis',
  transport,
  url: async () => {
    const prefix = `case-${newId()}:`
    return { url: `${server}?prefix=${prefix}`, dispose: () => removeKeys(prefix) }
  },
  // A lease that is short enough to wait for.
  options: { redis: { leaseMs: 2_500 } },
  crash: (open) => {
    if ('crash' in open && typeof open.crash === 'function') open.crash()
  },
  server: () => ownServer('redis'),
  member: { module: import.meta.resolve('@sluice/redis'), export: 'transport' },
}
