import { connect } from 'node:tls'
import { exchange } from '../exchange.ts'
import { certificateIn, makeCertificate } from '../install/certificate.ts'
import { debianPackages, findProgram } from '../install/debian.ts'
import type { Node, Server } from '../server.ts'

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

/** What a narrow user of Redis needs to be allowed; docs/internals/transports/redis.md explains it. */
const applicationRights = '~sluice:* +@read +@write +@stream +@scripting +@connection +@transaction +info +time +memory|usage'

/** Redis that speaks TLS only, with a private authority; its default user is off. */
export function redisTls(name: string, port: number): Server {
  const plain = redis(name, port, 'always')
  const host = ([node]: readonly Node[]): string => `localhost:${node?.ports[0]}`
  return {
    ...plain,
    title: 'Redis 7 (Debian), TLS with a private authority, users app:secret (keys sluice:*) and guarded:secret (may do nothing)',
    prepare: ({ folder }) => makeCertificate(folder),
    command(node, all) {
      const { program, args } = plain.command(node, all)
      const { ca, certificate, key } = certificateIn(node.folder)
      return {
        program,
        args: [
          ...[...args, '--port', '0', '--tls-port', String(node.ports[0]), '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', ca],
          ...users('default off', `app on >secret ${applicationRights}`, 'guarded on >secret +ping'),
        ],
      }
    },
    // Whoever is not logged in is told so: then it answers.
    answers: async ({ ports }) =>
      new Promise((resolve) => {
        const socket = connect({ host: '127.0.0.1', port: ports[0] ?? 0, rejectUnauthorized: false })
        const end = (answers: boolean): void => {
          socket.destroy()
          resolve(answers)
        }
        socket.setTimeout(1_000, () => end(false))
        socket.on('error', () => end(false)).on('secureConnect', () => socket.write('PING\r\n'))
        socket.on('data', (said) => end(String(said).startsWith('-NOAUTH')))
      }),
    url: (all) => `rediss://app:secret@${host(all)}`,
    extras: (all) => ({ ca: certificateIn(all[0]?.folder ?? '').ca, guarded: `rediss://guarded:secret@${host(all)}` }),
  }
}

function users(...rules: readonly string[]): readonly string[] {
  return rules.flatMap((rule) => ['--user', ...rule.split(' ')])
}
