import { setTimeout as sleep } from 'node:timers/promises'
import { exchange } from '../exchange.ts'
import { findProgram } from '../install/debian.ts'
import { runToEnd } from '../process.ts'
import type { Node, Server } from '../server.ts'
import { redis } from './redis.ts'

/** A master that is not heard of for so long is replaced by its replica, ms. */
const nodeTimeoutMs = 2_000

/** What CLUSTER INFO says, or undefined. */
async function clusterInfo({ ports }: Node): Promise<string | undefined> {
  return exchange(ports[0] ?? 0, async (write, read) => {
    write('CLUSTER INFO\r\n')
    let head = ''
    while (!head.endsWith('\r\n')) head += (await read(1)).toString('latin1')
    return head.startsWith('$') ? (await read(Number(head.slice(1)))).toString('latin1') : ''
  })
}

/** Redis Cluster: three masters with a replica each. */
export function redisCluster(name: string, port: number): Server {
  const plain = redis(name, port, 'always')
  return {
    ...plain,
    title: 'Redis 7 (Debian) as a cluster, three masters with a replica each, appendfsync always',
    nodes: 6,
    // Besides the port of clients, that of the nodes among themselves.
    ports: [port, port + 1],
    startSeconds: 60,
    command(node, all) {
      const { program, args } = plain.command(node, all)
      const cluster = {
        'cluster-enabled': 'yes',
        'cluster-port': String(node.ports[1]),
        'cluster-node-timeout': String(nodeTimeoutMs),
        'cluster-config-file': 'nodes.conf',
        'repl-diskless-sync-delay': '0',
      }
      return { program, args: [...args, ...Object.entries(cluster).flatMap(([setting, value]) => [`--${setting}`, value])] }
    },
    // Nodes that have no slots yet answer that the cluster fails: they wait for being joined.
    async answers(node) {
      const info = await clusterInfo(node)
      return info !== undefined && (/cluster_state:ok/.test(info) || /cluster_size:0/.test(info))
    },
    async afterFirstStart(all) {
      const hosts = all.map(({ ports }) => `127.0.0.1:${ports[0]}`)
      const args = ['--cluster', 'create', ...hosts, '--cluster-replicas', '1', '--cluster-yes']
      await runToEnd({ program: findProgram('redis-cli') ?? 'redis-cli', args }, all[0]?.folder ?? '.')
      const until = performance.now() + 30_000
      for (const node of all)
        while (!(await clusterInfo(node))?.includes('cluster_state:ok')) {
          if (performance.now() > until) throw new Error(`${name}: the nodes do not come to agree`)
          await sleep(50)
        }
    },
    url: (all) => `redis://${all.map(({ ports }) => `127.0.0.1:${ports[0]}`).join(',')}`,
  }
}
