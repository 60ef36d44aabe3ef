import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exchange } from '../exchange.ts'
import { certificateIn, makeCertificate } from '../install/certificate.ts'
import { debianPackages, findProgram } from '../install/debian.ts'
import { runToEnd } from '../process.ts'
import type { Command, Node, Server } from '../server.ts'

// The wrappers on PATH insist on a user and a folder of the system; these do not.
const programs = '/usr/lib/rabbitmq/bin'
const installed = (): boolean => existsSync(join(programs, 'rabbitmq-server'))

const nodeName = (node: Node): string => `sluice${node.ports[0]}@localhost`

/** One method of AMQP 0-9-1: its class and number, and its arguments. */
function method(channel: number, classId: number, methodId: number, body: Buffer): Buffer {
  const frame = Buffer.alloc(12 + body.length)
  frame.writeUInt8(1, 0)
  frame.writeUInt16BE(channel, 1)
  frame.writeUInt32BE(4 + body.length, 3)
  frame.writeUInt16BE(classId, 7)
  frame.writeUInt16BE(methodId, 9)
  body.copy(frame, 11)
  frame.writeUInt8(0xce, frame.length - 1)
  return frame
}

const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])

function longText(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, Buffer.from(text)])
}

/** Signs in as guest and opens the virtual host: only a server that has finished its start grants it. */
async function opensConnection(port: number): Promise<boolean> {
  const opened = await exchange(port, async (write, read) => {
    const next = async (): Promise<number> => {
      const head = await read(7)
      const payload = await read(head.readUInt32BE(3) + 1)
      return payload.readUInt16BE(2)
    }
    write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
    if ((await next()) !== 10) return false
    write(method(0, 10, 11, Buffer.concat([Buffer.alloc(4), shortText('PLAIN'), longText('\0guest\0guest'), shortText('en_US')])))
    if ((await next()) !== 30) return false
    write(method(0, 10, 31, Buffer.from([0, 16, 0, 2, 0, 0, 0, 0])))
    write(method(0, 10, 40, Buffer.concat([shortText('/'), shortText(''), Buffer.from([0])])))
    return (await next()) === 41
  })
  return opened === true
}

function environment(node: Node, nodes: readonly Node[]): Readonly<Record<string, string>> {
  const inside = (name: string): string => join(node.folder, name)
  const [amqp, distribution] = node.ports
  return {
    HOME: node.folder,
    ERL_EPMD_PORT: String(nodes[0]?.ports[2]),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: nodeName(node),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_MNESIA_BASE: inside('mnesia'),
    RABBITMQ_LOG_BASE: inside('log'),
    RABBITMQ_PID_FILE: inside('pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: inside('enabled_plugins'),
    RABBITMQ_CONFIG_FILE: inside('rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: inside('advanced.config'),
    RABBITMQ_GENERATED_CONFIG_DIR: inside('generated'),
    RABBITMQ_NODE_PORT: String(amqp),
    RABBITMQ_DIST_PORT: String(distribution),
    // Idle schedulers that spin would take the cores from what is measured or tested beside them.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
  }
}

function control(node: Node, nodes: readonly Node[], ...args: string[]): Promise<string> {
  const command: Command = { program: join(programs, 'rabbitmqctl'), args: ['-q', '-n', nodeName(node), ...args], env: environment(node, nodes) }
  return runToEnd(command, node.folder)
}

/** RabbitMQ with its own port mapper, so that it meets no other one of the machine. */
export function rabbitmq(name: string, port: number, nodes: 1 | 3): Server {
  return {
    name,
    title: `RabbitMQ 3.10 (Debian), ${nodes === 1 ? 'one node' : `${nodes} nodes, pause_minority`}, guest:guest, management`,
    nodes,
    ports: [port, port + 1, port + 2, port + 3],
    startSeconds: 300,
    installed,
    install: () => debianPackages(installed, ['rabbitmq-server'], 'install RabbitMQ 3.10 or newer'),
    async prepare(node, all) {
      for (const folder of ['mnesia', 'log', 'generated']) mkdirSync(join(node.folder, folder), { recursive: true })
      const settings = {
        'listeners.tcp.1': `127.0.0.1:${node.ports[0]}`,
        'log.file.level': 'info',
        'vm_memory_high_watermark.absolute': '1GB',
        'disk_free_limit.absolute': '200MB',
        'raft.wal_max_size_bytes': '67108864',
        cluster_partition_handling: 'pause_minority',
        'management.tcp.ip': '127.0.0.1',
        'management.tcp.port': String(node.ports[3]),
      }
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`)
      writeFileSync(join(node.folder, 'rabbitmq.conf'), lines.join(''))
      writeFileSync(join(node.folder, 'enabled_plugins'), '[rabbitmq_management].\n')
      const cookie = join(node.folder, '.erlang.cookie')
      if (existsSync(cookie)) return
      const shared = join(all[0]?.folder ?? '', '.erlang.cookie')
      const secret = existsSync(shared) ? readFileSync(shared, 'utf8') : Buffer.from(crypto.getRandomValues(new Uint8Array(20))).toString('hex')
      writeFileSync(cookie, secret, { mode: 0o400 })
    },
    companion: (all) => ({ program: findProgram('epmd') ?? 'epmd', args: ['-port', String(all[0]?.ports[2]), '-address', '127.0.0.1'] }),
    command: (node, all) => ({ program: join(programs, 'rabbitmq-server'), args: [], env: environment(node, all) }),
    async afterFirstStart(all) {
      const [seed, ...others] = all
      if (seed === undefined) return
      for (const node of others) {
        await control(node, all, 'stop_app')
        await control(node, all, 'reset')
        await control(node, all, 'join_cluster', nodeName(seed))
        await control(node, all, 'start_app')
      }
    },
    answers: ({ ports }) => opensConnection(ports[0] ?? 0),
    url: (all) => `amqp://guest:guest@${all.map(({ ports }) => `127.0.0.1:${ports[0]}`).join(',')}`,
    extras: ([node]) => ({ management: `http://guest:guest@127.0.0.1:${node?.ports[3]}` }),
  }
}

/** One node that closes the channel of a consumer that has settled nothing for 4 s; the default is 30 minutes. */
export function rabbitmqImpatient(name: string, port: number): Server {
  const plain = rabbitmq(name, port, 1)
  return {
    ...plain,
    title: 'RabbitMQ 3.10 (Debian), one node, consumer_timeout 4 s',
    async prepare(node, all) {
      await plain.prepare(node, all)
      writeFileSync(join(node.folder, 'advanced.config'), '[{rabbit, [{consumer_timeout, 4000}, {channel_tick_interval, 500}]}].\n')
    },
  }
}

/** One node whose disk is never free enough: under an alarm from its start on, it takes no messages. */
export function rabbitmqFull(name: string, port: number): Server {
  const plain = rabbitmq(name, port, 1)
  return {
    ...plain,
    title: 'RabbitMQ 3.10 (Debian), one node, always under a disk alarm',
    async prepare(node, all) {
      await plain.prepare(node, all)
      appendFileSync(join(node.folder, 'rabbitmq.conf'), 'disk_free_limit.absolute = 1000000GB\n')
    },
  }
}

/** One node that speaks TLS only, with a private authority, passwords of its own and the management plugin. */
export function rabbitmqTls(name: string, port: number): Server {
  const plain = rabbitmq(name, port, 1)
  const host = (all: readonly Node[]): string => `localhost:${all[0]?.ports[4]}`
  return {
    ...plain,
    title: 'RabbitMQ 3.10 (Debian), TLS with a private authority, users app:secret and guarded:secret (may do nothing)',
    ports: [...plain.ports, port + 4],
    async prepare(node, all) {
      await plain.prepare(node, all)
      await makeCertificate(node.folder)
      const { ca, certificate, key } = certificateIn(node.folder)
      const settings = {
        'listeners.ssl.1': `127.0.0.1:${node.ports[4]}`,
        'ssl_options.cacertfile': ca,
        'ssl_options.certfile': certificate,
        'ssl_options.keyfile': key,
        'ssl_options.verify': 'verify_none',
        'ssl_options.fail_if_no_peer_cert': 'false',
      }
      const lines = Object.entries(settings).map(([setting, value]) => `${setting} = ${value}\n`)
      appendFileSync(join(node.folder, 'rabbitmq.conf'), lines.join(''))
    },
    async afterFirstStart(all) {
      const [node] = all
      if (node === undefined) return
      for (const user of ['app', 'guarded']) await control(node, all, 'add_user', user, 'secret')
      await control(node, all, 'set_permissions', 'app', '.*', '.*', '.*')
      await control(node, all, 'set_permissions', 'guarded', '^$', '^$', '^$')
      await control(node, all, 'set_user_tags', 'app', 'monitoring')
    },
    url: (all) => `amqps://app:secret@${host(all)}`,
    extras: (all) => ({
      ca: certificateIn(all[0]?.folder ?? '').ca,
      guarded: `amqps://guarded:secret@${host(all)}`,
      management: `http://app:secret@127.0.0.1:${all[0]?.ports[3]}`,
    }),
  }
}
