import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exchange } from '../exchange.ts'
import { hasJava, jarFolder, java, mavenArtifacts } from '../install/maven.ts'
import { runToEnd } from '../process.ts'
import type { Node, Server } from '../server.ts'

const artifacts = ['org.apache.kafka:kafka_2.13:4.3.1', 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.4']

/** One request and the body of its answer: `api` and `version` are Kafka's numbers. */
export type Ask = (api: number, version: number, body: Buffer) => Promise<Buffer>

/** Asks several things on one connection; undefined when nobody answers. */
export function conversation<T>(port: number, talk: (ask: Ask) => Promise<T>): Promise<T | undefined> {
  return exchange(port, (write, read) =>
    talk(async (api, version, body) => {
      const head = Buffer.from('\0\0\0\0\0\0\0\0\0\0\0\x07\0\x05probe', 'latin1')
      head.writeInt32BE(head.length - 4 + body.length, 0)
      head.writeInt16BE(api, 4)
      head.writeInt16BE(version, 6)
      write(Buffer.concat([head, body]))
      return (await read((await read(4)).readInt32BE(0))).subarray(4)
    }),
  )
}

/** Metadata for all topics: how many brokers take part (a fenced one does not), 0 without a controller. */
async function brokersOf(ask: Ask): Promise<number> {
  const body = await ask(3, 1, Buffer.alloc(4, 0xff))
  const brokers = body.readInt32BE(0)
  let at = 4
  for (let n = 0; n < brokers; n++) {
    at += 4
    at += 2 + body.readInt16BE(at) + 4
    at += 2 + Math.max(0, body.readInt16BE(at))
  }
  return body.readInt32BE(at) >= 0 ? brokers : 0
}

/**
 * All brokers take part, groups have a coordinator (FindCoordinator makes their topic), and producers get an id
 * (InitProducerId): a port that answers Metadata refuses both for some seconds more, on a busy machine for many.
 */
async function works(port: number, brokers: number): Promise<boolean> {
  const answer = await conversation(port, async (ask) => {
    if ((await brokersOf(ask)) < brokers) return false
    const coordinator = await ask(10, 0, Buffer.from('\0\x05probe', 'latin1'))
    if (coordinator.readInt16BE(0) !== 0) return false
    const producer = await ask(22, 0, Buffer.from('\xff\xff\0\0\x03\xe8', 'latin1'))
    return producer.readInt16BE(4) === 0
  })
  return answer === true
}

/** What a variant changes: settings on top, in place of those of the same name, and arguments of the format tool. */
export interface KafkaVariant {
  settings(node: Node): Readonly<Record<string, string>>
  readonly formatArgs: readonly string[]
}

/** The settings of a node of {@link kafka}, as `server.properties`. */
export function properties({ number, folder, ports }: Node, nodes: readonly Node[], more: Readonly<Record<string, string>> = {}): string {
  const [port, controllerPort] = ports
  const copies = nodes.length
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': number,
    'controller.quorum.voters': nodes.map((node) => `${node.number}@127.0.0.1:${node.ports[1]}`).join(','),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'default.replication.factor': copies,
    'min.insync.replicas': Math.min(2, copies),
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': Math.min(2, copies),
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': Math.min(2, copies),
    'num.partitions': 4,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.num.partitions': 4,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'background.threads': 2,
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,
    'group.consumer.min.session.timeout.ms': 1000,
    'group.consumer.min.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    ...(copies > 1 ? { 'broker.heartbeat.interval.ms': 500, 'broker.session.timeout.ms': 3000, 'replica.lag.time.max.ms': 5000 } : {}),
    ...more,
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

const logging = `Configuration:
  status: WARN
  Appenders:
    Console: { name: S, target: SYSTEM_OUT, PatternLayout: { pattern: "[%d] %p %m (%c)%n" } }
  Loggers:
    Root: { level: WARN, AppenderRef: { ref: S } }
    Logger:
      - { name: kafka, level: INFO }
      - { name: org.apache.kafka, level: INFO }
`

function javaArgs(folder: string, heapMb: number): readonly string[] {
  return [
    `-Xms${heapMb}m`,
    `-Xmx${heapMb}m`,
    '-XX:+UseSerialGC',
    '-Djava.net.preferIPv4Stack=true',
    `-Dlog4j2.configurationFile=${join(folder, 'log4j2.yaml')}`,
    ...['-cp', join(jarFolder(artifacts), '*')],
  ]
}

/** Kafka in KRaft mode, each node broker and controller. Like every Kafka, it acknowledges before its disk has synced. */
export function kafka(name: string, port: number, nodes: 1 | 3, variant: KafkaVariant = { settings: () => ({}), formatArgs: [] }): Server {
  return {
    name,
    title: `Kafka 4.3.1 (Maven), KRaft, ${nodes === 1 ? 'one node' : `${nodes} nodes, replication ${nodes}, min.insync.replicas 2`}`,
    nodes,
    ports: [port, port + 1],
    // 10 s on a quiet machine; with a load of 55 it was minutes. One that ended is noticed at once.
    startSeconds: 300,
    installed: () => hasJava() && existsSync(jarFolder(artifacts)),
    install: () => mavenArtifacts(artifacts),
    async prepare(node, all) {
      const config = join(node.folder, 'server.properties')
      writeFileSync(config, properties(node, all, variant.settings(node)))
      writeFileSync(join(node.folder, 'log4j2.yaml'), logging)
      if (existsSync(join(node.folder, 'data', 'meta.properties'))) return
      await runToEnd(
        {
          program: java(),
          args: [
            ...['-XX:TieredStopAtLevel=1', ...javaArgs(node.folder, 128), 'kafka.tools.StorageTool', 'format', '--ignore-formatted'],
            ...['--cluster-id', 'MkU3OEVBNTcwNTJENDM2Qg', '--config', config, ...variant.formatArgs],
          ],
        },
        node.folder,
      )
    },
    command({ folder, brief }) {
      // The second compiler takes 21 s of a processor in a test run of two minutes.
      const compiler = brief === true ? ['-XX:TieredStopAtLevel=1'] : []
      return { program: java(), args: [...compiler, ...javaArgs(folder, nodes === 1 ? 512 : 256), 'kafka.Kafka', join(folder, 'server.properties')] }
    },
    answers: ({ ports }, all) => works(ports[0] ?? 0, all.length),
    url: (all) => `kafka://${all.map(({ ports }) => `127.0.0.1:${ports[0]}`).join(',')}`,
  }
}
