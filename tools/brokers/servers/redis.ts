import { exchange } from '../exchange.ts'
import { debianPackages, findProgram } from '../install/debian.ts'
import type { Server } from '../server.ts'

const installed = (): boolean => findProgram('redis-server') !== undefined

/** Redis with an append-only file; `appendfsync` is the promise it makes: `always` syncs before it answers, `everysec` does not. */
export function redis(name: string, port: number, appendfsync: 'always' | 'everysec'): Server {
  return {
    name,
    title: `Redis 7 (Debian), append-only file, appendfsync ${appendfsync}`,
    ports: [port],
    startSeconds: 20,
    installed,
    install: () => debianPackages(installed, ['redis-server'], 'install Redis 7 (macOS: brew install redis)'),
    prepare: async () => {},
    command: ({ folder, ports }) => ({
      program: findProgram('redis-server') ?? 'redis-server',
      args: [
        ...['--port', String(ports[0]), '--bind', '127.0.0.1', '--dir', folder, '--daemonize', 'no'],
        ...['--appendonly', 'yes', '--appendfsync', appendfsync, '--save', '', '--maxmemory-policy', 'noeviction'],
      ],
    }),
    // While it loads its file it answers -LOADING, not +PONG.
    answers: async ({ ports }) =>
      (await exchange(ports[0] ?? 0, async (write, read) => {
        write('PING\r\n')
        return (await read(7)).toString('latin1') === '+PONG\r\n'
      })) === true,
    url: ([node]) => `redis://127.0.0.1:${node?.ports[0]}`,
  }
}
