import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificateIn, makeCertificate } from '../install/certificate.ts'
import type { Node, Server } from '../server.ts'
import { conversation, kafka } from './kafka.ts'

/** Kafka's numbers. */
const resources = { topic: 2, group: 3, cluster: 4, transactionalId: 5 } as const
const operations = { read: 3, write: 4, create: 5, delete: 6, describe: 8, describeConfigs: 10, idempotentWrite: 12 } as const

type Right = readonly [resource: keyof typeof resources, name: string, ...can: (keyof typeof operations)[]]

/** What a narrow user needs to be allowed, all below the prefix `shop.`; docs/internals/transports/kafka.md explains it. */
const applicationRights: readonly Right[] = [
  ['topic', 'shop.', 'describe', 'read', 'write', 'create', 'delete', 'describeConfigs'],
  ['group', 'shop.', 'describe', 'read', 'delete'],
  ['transactionalId', 'shop.', 'describe', 'write'],
  ['cluster', 'kafka-cluster', 'idempotentWrite', 'describeConfigs'],
]

/** CreateAcls, version 1. */
function createAcls(user: string, rights: readonly Right[]): Buffer {
  const parts: Buffer[] = []
  const byte = (n: number): void => void parts.push(Buffer.from([n]))
  const text = (words: string): void => void parts.push(Buffer.from([words.length >> 8, words.length & 0xff]), Buffer.from(words))
  let count = 0
  for (const [resource, name, ...can] of rights)
    for (const operation of can) {
      count++
      byte(resources[resource])
      text(name)
      // A cluster is meant by its name, everything else by what its name begins with.
      byte(resource === 'cluster' ? 3 : 4)
      text(`User:${user}`)
      text('*')
      byte(operations[operation])
      byte(3)
    }
  const head = Buffer.alloc(4)
  head.writeInt32BE(count)
  return Buffer.concat([head, ...parts])
}

/** Where each listener of the node is: without a password (for its own use), with one, with one and TLS, TLS alone. */
function listenersOf({ ports }: Node): Readonly<Record<'PLAINTEXT' | 'CONTROLLER' | 'SASL_PLAINTEXT' | 'SASL_SSL' | 'SSL', number>> {
  const [plain = 0, controller = 0, password = 0, both = 0, tls = 0] = ports
  return { PLAINTEXT: plain, CONTROLLER: controller, SASL_PLAINTEXT: password, SASL_SSL: both, SSL: tls }
}

function settings(node: Node): Readonly<Record<string, string>> {
  const { certificate, key } = certificateIn(node.folder)
  const store = join(node.folder, 'server-with-key.pem')
  writeFileSync(store, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
  const listeners = Object.entries(listenersOf(node))
  const list = (entries: readonly (readonly [string, number])[]): string =>
    entries.map(([name, port]) => `${name}://${name.includes('SSL') ? 'localhost' : '127.0.0.1'}:${port}`).join(',')
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_app="secret" user_guarded="secret";'
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  const logins = ['sasl_plaintext', 'sasl_ssl'].flatMap((name) => [
    [`listener.name.${name}.plain.sasl.jaas.config`, plain],
    [`listener.name.${name}.scram-sha-256.sasl.jaas.config`, scram],
    [`listener.name.${name}.scram-sha-512.sasl.jaas.config`, scram],
  ])
  return {
    listeners: list(listeners),
    'advertised.listeners': list(listeners.filter(([name]) => name !== 'CONTROLLER')),
    'listener.security.protocol.map': listeners.map(([name]) => `${name}:${name === 'CONTROLLER' ? 'PLAINTEXT' : name}`).join(','),
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    ...Object.fromEntries(logins),
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  }
}

/** Kafka with passwords, rights and TLS by a private authority. */
export function kafkaTls(name: string, port: number): Server {
  const formatArgs = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=app,password=secret]`])
  const server = kafka(name, port, 1, { settings, formatArgs })
  const at = ([node]: readonly Node[], listener: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SASL_SSL' | 'SSL'): string =>
    node === undefined ? '' : `localhost:${listenersOf(node)[listener]}`
  return {
    ...server,
    title: `${server.title}; TLS with a private authority, users app:secret (names that begin with shop.) and guarded:secret (may do nothing)`,
    ports: [port, port + 1, port + 2, port + 3, port + 4],
    async prepare(node, all) {
      await makeCertificate(node.folder)
      await server.prepare(node, all)
    },
    async afterFirstStart(all) {
      const answer = await conversation(all[0] === undefined ? 0 : listenersOf(all[0]).PLAINTEXT, (ask) => ask(30, 1, createAcls('app', applicationRights)))
      if (answer === undefined || answer.readInt16BE(8) !== 0) throw new Error('the rights of the user "app" could not be written')
    },
    url: (all) => `kafka+ssl://app:secret@${at(all, 'SASL_SSL')}`,
    extras: (all) => ({
      ca: certificateIn(all[0]?.folder ?? '').ca,
      guarded: `kafka+ssl://guarded:secret@${at(all, 'SASL_SSL')}`,
      passwordOnly: `kafka://app:secret@${at(all, 'SASL_PLAINTEXT')}`,
      tlsOnly: `kafka+ssl://${at(all, 'SSL')}`,
      neither: `kafka://${at(all, 'PLAINTEXT')}`,
    }),
  }
}
