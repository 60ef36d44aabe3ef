import type { ConformanceOptions, Fault, OwnServer } from '@sluice/conformance'
import { createClient } from 'redis'
import { ownServer } from './own-server.ts'
import { redisOptions } from './redis-options.ts'

/** A key of the bus under test: it has the default prefix. */
const key = '{sluice:}{}'
/** What a member says when it finds itself on another server: what it had in hand comes again. */
const moved = 'may know less than it had answered'
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** One command to one node, whoever has the slot. */
async function ask(url: string, ...words: string[]): Promise<unknown> {
  const client = createClient({ url, socket: { reconnectStrategy: false } })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.sendCommand(words)
  } finally {
    client.destroy()
  }
}

const nodes = ({ url }: OwnServer): readonly string[] =>
  url
    .replace('redis://', '')
    .split(',')
    .map((host) => `redis://${host}`)

/** Number (1-based), URL and id of the master that has the slot, once everybody agrees that there is one. */
async function masterOf(server: OwnServer): Promise<{ readonly number: number; readonly url: string; readonly id: string }> {
  for (;;) {
    for (const [n, url] of nodes(server).entries()) {
      const has = await ask(url, 'EXISTS', key).catch(() => undefined)
      if (has !== undefined) return { number: n + 1, url, id: String(await ask(url, 'CLUSTER', 'MYID')) }
    }
    await wait(100)
  }
}

/** What becomes of a Redis Cluster: its masters die, are replaced as planned, and slots move from one to another. */
export const redisClusterFaults: readonly Fault[] = [
  {
    name: 'the master of the slot is killed, its replica takes over, and it comes back as a replica',
    reported: moved,
    strikes: 2,
    async strike({ server, random }) {
      await wait(500 + random() * 500)
      await server.kill((await masterOf(server)).number)
      await wait(3_000 + random() * 3_000)
      await server.up()
    },
  },
  {
    name: 'a replica takes over as planned',
    reported: moved,
    strikes: 1,
    async strike({ server, random }) {
      await wait(300 + random() * 500)
      const { id } = await masterOf(server)
      for (const url of nodes(server)) {
        const role = await ask(url, 'CLUSTER', 'NODES').catch(() => '')
        if (!new RegExp(`myself,slave ${id} `).test(String(role))) continue
        // A replica that has not caught up with its master gives up after 5 s.
        for (let asked = 0; (await masterOf(server)).id === id; asked++) {
          if (asked % 60 === 0) await ask(url, 'CLUSTER', 'FAILOVER').catch(() => undefined)
          await wait(100)
        }
        return
      }
    },
  },
  {
    name: 'the slot moves to another master, key by key',
    reported: moved,
    strikes: 3,
    async strike({ server, random }) {
      await wait(300 + random() * 500)
      const from = await masterOf(server)
      const slot = String(await ask(from.url, 'CLUSTER', 'KEYSLOT', key))
      const masters = String(await ask(from.url, 'CLUSTER', 'NODES'))
        .split('\n')
        .filter((line) => / master /.test(line) && !/fail/.test(line))
        .map((line) => line.split(/[ @]/))
      const [id = '', address = ''] = masters.find(([other]) => other !== from.id) ?? []
      const to = `redis://${address}`
      await ask(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
      await ask(from.url, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', id)
      for (;;) {
        const keys = (await ask(from.url, 'CLUSTER', 'GETKEYSINSLOT', slot, '5')) as readonly string[]
        if (keys.length === 0) break
        const { hostname, port } = new URL(to)
        await ask(from.url, 'MIGRATE', hostname, port, '', '0', '5000', 'REPLACE', 'KEYS', ...keys)
        await wait(random() * 20)
      }
      await ask(to, 'CLUSTER', 'SETSLOT', slot, 'NODE', id)
      await ask(from.url, 'CLUSTER', 'SETSLOT', slot, 'NODE', id)
      for (const [, other] of masters) await ask(`redis://${other}`, 'CLUSTER', 'SETSLOT', slot, 'NODE', id).catch(() => undefined)
    },
  },
]

/** Sentinel makes a primary of the replica; the former one comes back as its replica. */
const sentinelFault: Fault = {
  name: 'the primary is killed, Sentinel names its replica, and it comes back as a replica',
  reported: moved,
  // Sentinel makes a replica of the former primary after 10 s only.
  strikes: 0.5,
  async strike({ server, random }) {
    await wait(500 + random() * 500)
    const primary = async (): Promise<string> =>
      String(((await ask(server.url.replace(/\?.*$/, ''), 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as readonly string[])[1])
    const before = await primary()
    // Node 1 has the lower port.
    const sentinelPort = Number(new URL(server.url).port)
    await server.kill(Number(before) === sentinelPort - 2 ? 1 : 2)
    while ((await primary()) === before) await wait(100)
    await wait(random() * 1_000)
    await server.up()
    // The next one is to have a replica to name.
    while (!/slaves=1,/.test(String(await ask(server.url.replace(/\?.*$/, ''), 'INFO', 'sentinel')))) await wait(200)
    await wait(1_000)
  },
}

/** Confirmed is what a replica has, too: a master that dies takes nothing with it. */
export const redisClusterOptions: ConformanceOptions = {
  ...redisOptions,
  name: 'redis, cluster',
  options: { redis: { leaseMs: 2_500, replyTimeoutMs: 2_000, replicas: 1 } },
  server: () => ownServer('redis-cluster'),
  faults: redisClusterFaults,
}

export const redisSentinelOptions: ConformanceOptions = {
  ...redisClusterOptions,
  name: 'redis, Sentinel',
  server: () => ownServer('redis-sentinel'),
  faults: [sentinelFault],
}
