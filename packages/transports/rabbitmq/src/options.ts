import { readFileSync } from 'node:fs'
import { SluiceError, type TransportContext } from '@sluice/core/transport'
import { unreadable } from './link/errors.ts'

/** Options of the RabbitMQ transport, given as `connect({ transportOptions: { rabbitmq: { … } } })` or in the URL's query. */
export interface RabbitOptions {
  /** First word of every exchange's and queue's name: several buses may share a virtual host. Default `sluice`. URL: `prefix`. */
  readonly prefix: string
  /** How often each side says that it lives, s; a frozen process loses what it holds after two and a half. Default 10. URL: `heartbeat`. */
  readonly heartbeatS: number
  /** Ordered partitions of a group whose channel names no number; a power of two. Default 8. URL: `partitions`. */
  readonly partitions: number
  /** Kind of the queues that hold messages. `quorum`: replicated, synced. `classic`: one node. Default `quorum`. URL: `queues`. */
  readonly queues: 'quorum' | 'classic'
  /** How long a confirm may take before the message counts as unknown, ms. Default 15,000. */
  readonly confirmTimeoutMs: number
  /** File of the authority that signed the server's certificate, PEM. Default: those that Node trusts. URL: `ca`. */
  readonly ca?: string
  /** Files of the client's own certificate and key, PEM. URL: `cert`, `key`. */
  readonly cert?: string
  readonly key?: string
}

/** Where and as whom to connect. */
export interface Address {
  readonly tls: boolean
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly user: string
  readonly password: string
  readonly vhost: string
}

const names = ['prefix', 'heartbeatS', 'partitions', 'queues', 'confirmTimeoutMs', 'ca', 'cert', 'key'] as const
const inUrl: Readonly<Record<string, (typeof names)[number]>> = {
  prefix: 'prefix',
  heartbeat: 'heartbeatS',
  partitions: 'partitions',
  queues: 'queues',
  ca: 'ca',
  cert: 'cert',
  key: 'key',
}

/**
 * Reads `amqp://user:password@host:port,host:port/vhost?heartbeat=10`. A password may stand in a file instead: the query's
 * `passwordFile`. Throws INVALID_OPTION, without the URL's secrets.
 */
export function readUrl(url: string, context: Pick<TransportContext, 'options'>): { readonly address: Address; readonly options: RabbitOptions } {
  const match = /^(amqps?):\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url)
  if (match === null) throw invalid('the URL is not amqp://user:password@host:port/vhost')
  const [, scheme, userInfo = 'guest:guest', hostList = '', vhost = '', query = ''] = match
  const tls = scheme === 'amqps'
  const given: Record<string, unknown> = { ...givenOptions(context) }
  const [user = '', password = ''] = split(userInfo, ':')
  let secret = decode(password)
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === 'passwordFile') secret = passwordIn(value)
    else if (inUrl[name] !== undefined) given[inUrl[name]] = /^\d+$/.test(value) ? Number(value) : value
    else throw invalid(`the URL's query has an unknown name: ${name}`)
  }
  const hosts = hostList.split(',').map((each) => {
    const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(each) ?? []
    if (host === '') throw invalid('a host of the URL is empty or not host:port')
    return { host: decode(host.replace(/^\[|\]$/g, '')), port: port === undefined ? (tls ? 5671 : 5672) : Number(port) }
  })
  return {
    address: { tls, hosts, user: decode(user), password: secret, vhost: vhost === '' ? '/' : decode(vhost) },
    options: checked(given),
  }
}

function givenOptions({ options }: Pick<TransportContext, 'options'>): Readonly<Record<string, unknown>> {
  const { rabbitmq = {} } = options
  if (typeof rabbitmq !== 'object' || rabbitmq === null) throw invalid('rabbitmq must be an object of options')
  for (const name of Object.keys(rabbitmq)) if (!(names as readonly string[]).includes(name)) throw invalid(`there is no option rabbitmq.${name}`)
  return rabbitmq as Readonly<Record<string, unknown>>
}

function checked(given: Readonly<Record<string, unknown>>): RabbitOptions {
  const { prefix = 'sluice', queues = 'quorum', ca, cert, key } = given
  if (typeof prefix !== 'string' || !/^[\w.-]{1,60}$/.test(prefix)) throw invalid('rabbitmq.prefix must be 1 to 60 letters, digits, dots, dashes')
  if (queues !== 'quorum' && queues !== 'classic') throw invalid('rabbitmq.queues must be quorum or classic')
  const partitions = integer('partitions', given.partitions, 8, 1, partitionsMax)
  if ((partitions & (partitions - 1)) !== 0) throw invalid('rabbitmq.partitions must be a power of two')
  return {
    prefix,
    queues,
    partitions,
    heartbeatS: integer('heartbeatS', given.heartbeatS, 10, 1, 600),
    confirmTimeoutMs: integer('confirmTimeoutMs', given.confirmTimeoutMs, 15_000, 100, 600_000),
    ...optionalFile('ca', ca),
    ...optionalFile('cert', cert),
    ...optionalFile('key', key),
  }
}

/** Partitions a channel can have: bits of the key's hash that a routing key carries. */
export const partitionsMax = 64

function optionalFile(name: 'ca' | 'cert' | 'key', value: unknown): { readonly [file in typeof name]?: string } {
  if (value === undefined) return {}
  if (typeof value !== 'string') throw invalid(`rabbitmq.${name} must be the path of a file`)
  return { [name]: value }
}

function integer(name: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(`rabbitmq.${name} must be a whole number from ${min} to ${max}`)
}

function passwordIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

function split(text: string, at: string): readonly string[] {
  const index = text.indexOf(at)
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('a part of the URL is not percent-encoded')
  }
}

function invalid(what: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `RabbitMQ: ${what}`)
}
