import { chownSync, existsSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exchange } from '../exchange.ts'
import { debianPackages, findProgram } from '../install/debian.ts'
import { idsOf, runToEnd } from '../process.ts'
import type { Server } from '../server.ts'

const user = 'postgres'

// Debian keeps each version in a folder of its own, off PATH.
function program(name: string): string | undefined {
  const folders = globSync('/usr/lib/postgresql/*/bin').sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  return findProgram(name, folders)
}

const installed = (): boolean => program('postgres') !== undefined

/** A query in PostgreSQL's own protocol: start-up message, then `SELECT 1`; 'Z' (ready) comes after each. */
async function answersQuery(port: number): Promise<boolean> {
  const found = await exchange(port, async (write, read) => {
    const parameters = Buffer.from(`user\0${user}\0database\0postgres\0\0`)
    const startUp = Buffer.alloc(8)
    startUp.writeInt32BE(8 + parameters.length, 0)
    startUp.writeInt32BE(196_608, 4)
    write(Buffer.concat([startUp, parameters]))
    const untilReady = async (): Promise<string> => {
      for (let seen = ''; ; ) {
        const head = await read(5)
        const type = String.fromCharCode(head[0] ?? 0)
        await read(head.readInt32BE(1) - 4)
        seen += type
        if (type === 'Z' || type === 'E') return seen
      }
    }
    if (!(await untilReady()).endsWith('Z')) return false
    const query = Buffer.from('SELECT 1\0')
    const head = Buffer.alloc(5)
    head.write('Q')
    head.writeInt32BE(4 + query.length, 1)
    write(Buffer.concat([head, query]))
    return (await untilReady()).includes('D')
  })
  return found === true
}

/** PostgreSQL, every commit synced, logical decoding on. */
export const postgres: Server = {
  name: 'postgres',
  title: 'PostgreSQL (Debian), fsync and synchronous_commit on, wal_level logical',
  ports: [15_432],
  startSeconds: 30,
  // A fast shutdown: sessions are ended, what was committed is kept.
  stopSignal: 'SIGINT',
  installed,
  install: () => debianPackages(installed, ['postgresql'], 'install PostgreSQL 15 or newer (macOS: brew install postgresql)'),
  async prepare({ folder, ports }) {
    const data = join(folder, 'data')
    if (!existsSync(join(data, 'PG_VERSION'))) {
      mkdirSync(data, { recursive: true })
      const ids = idsOf(user)
      if (ids !== undefined) for (const path of [folder, data]) chownSync(path, ids.uid, ids.gid)
      await runToEnd(
        { program: program('initdb') ?? 'initdb', args: ['-D', data, '-U', user, '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C.UTF-8'], user },
        folder,
      )
      const settings = {
        listen_addresses: "'127.0.0.1'",
        unix_socket_directories: "''",
        fsync: 'on',
        synchronous_commit: 'on',
        wal_level: 'logical',
        shared_buffers: '256MB',
        max_wal_size: '2GB',
      }
      writeFileSync(
        join(data, 'postgresql.auto.conf'),
        Object.entries(settings)
          .map(([name, value]) => `${name} = ${value}\n`)
          .join(''),
      )
    }
    // After a kill -9 it would take its own lock file for that of a live server, if the number was given away again.
    rmSync(join(data, 'postmaster.pid'), { force: true })
    if (ports[0] === undefined) throw new Error('no port')
  },
  command: ({ folder, ports }) => ({ program: program('postgres') ?? 'postgres', args: ['-D', join(folder, 'data'), '-p', String(ports[0])], user }),
  answers: ({ ports }) => answersQuery(ports[0] ?? 0),
  url: ([node]) => `postgres://${user}@127.0.0.1:${node?.ports[0]}/postgres`,
}
