import { after, before, describe } from 'node:test'
import { conformance } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { ownServer } from './own-server.ts'
import { redisClusterOptions, redisSentinelOptions } from './redis-cluster-options.ts'
import { redisOptions } from './redis-options.ts'

// The whole suite on Redis Cluster: each case's bus in another slot, so that every master serves some.
describe('redis cluster', () => {
  let server: Awaited<ReturnType<typeof ownServer>>
  before(async () => {
    server = await ownServer('redis-cluster')
  })
  after(() => server.down())

  conformance({
    ...redisOptions,
    name: 'redis, cluster',
    url: () => Promise.resolve({ url: `${server.url}?prefix=case-${newId()}:` }),
    parts: ['transport', 'bus', 'processes'],
  })
})

conformance({ ...redisClusterOptions, parts: ['faults'], faultMessages: 20_000 })
conformance({ ...redisSentinelOptions, parts: ['faults'], faultMessages: 20_000 })
