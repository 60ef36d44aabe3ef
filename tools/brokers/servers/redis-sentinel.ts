import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exchange } from '../exchange.ts'
import type { Server } from '../server.ts'
import { redis } from './redis.ts'

/** What Sentinel calls the primary. */
const master = 'main'

/** A primary, its replica, and the Sentinel that makes the one of the other when it dies. */
export function redisSentinel(name: string, port: number): Server {
  const plain = redis(name, port, 'always')
  return {
    ...plain,
    title: 'Redis 7 (Debian), a primary, a replica and a Sentinel (nodes 1 to 3), appendfsync always',
    nodes: 3,
    startSeconds: 60,
    async prepare({ number, folder, ports }, all) {
      const file = join(folder, 'sentinel.conf')
      // Sentinel writes what it learns into its file.
      if (number !== 3 || existsSync(file)) return
      const lines = [
        ...[`port ${ports[0]}`, 'bind 127.0.0.1', `dir ${folder}`, `sentinel monitor ${master} 127.0.0.1 ${all[0]?.ports[0]} 1`],
        ...[`sentinel down-after-milliseconds ${master} 1500`, `sentinel failover-timeout ${master} 5000`],
      ]
      writeFileSync(file, `${lines.join('\n')}\n`)
    },
    command(node, all) {
      const { program, args } = plain.command(node, all)
      if (node.number === 3) return { program, args: [join(node.folder, 'sentinel.conf'), '--sentinel'] }
      const replica = node.number === 2 ? ['--replicaof', '127.0.0.1', String(all[0]?.ports[0])] : []
      return { program, args: [...args, '--repl-diskless-sync-delay', '0', ...replica] }
    },
    async afterFirstStart([, , sentinel]) {
      const until = performance.now() + 30_000
      const knowsReplica = (): Promise<boolean | undefined> =>
        exchange(sentinel?.ports[0] ?? 0, async (write, read) => {
          write(`SENTINEL REPLICAS ${master}\r\n`)
          return (await read(2)).toString('latin1') === '*1'
        })
      while ((await knowsReplica()) !== true) {
        if (performance.now() > until) throw new Error(`${name}: Sentinel does not see the replica`)
        await sleep(100)
      }
    },
    url: (all) => `redis://127.0.0.1:${all[2]?.ports[0]}?master=${master}`,
    extras: (all) => ({
      nodes: all
        .slice(0, 2)
        .map(({ ports }) => `redis://127.0.0.1:${ports[0]}`)
        .join(','),
    }),
  }
}
