import { GivenOptions, SluiceError, type TransportContext } from '@sluice/core/transport'

/**
 * Options of the RabbitMQ transport, given as `connect({ transportOptions: { rabbitmq: { … } } })`, beside `password` and
 * `passwordFile`, or in the URL's query, which they outrank.
 */
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

const names = ['prefix', 'heartbeatS', 'partitions', 'queues', 'confirmTimeoutMs', 'password', 'passwordFile', 'ca', 'cert', 'key']
const inUrl = {
  ...{ prefix: 'prefix', heartbeat: 'heartbeatS', partitions: 'partitions', queues: 'queues' },
  ...{ passwordFile: 'passwordFile', ca: 'ca', cert: 'cert', key: 'key' },
}

/**
 * Reads `amqp://user:password@host:port,host:port/vhost?heartbeat=10`. A password may stand in a file instead: `passwordFile`, in
 * the query or the options. Throws INVALID_OPTION, without the URL's secrets.
 */
export function readUrl(url: string, context: Pick<TransportContext, 'options'>): { readonly address: Address; readonly options: RabbitOptions } {
  const match = /^(amqps?):\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url)
  if (match === null) throw invalid('the URL is not amqp://user:password@host:port/vhost')
  const [, scheme, userInfo, hostList = '', vhost = '', query = ''] = match
  const tls = scheme === 'amqps'
  const given = new GivenOptions({ key: 'rabbitmq', names, inUrl }, new URLSearchParams(query), context)
  const [user = '', inUrlPassword = ''] = userInfo === undefined ? ['guest'] : split(userInfo, ':')
  const password = inUrlPassword === '' ? (given.password() ?? (userInfo === undefined ? 'guest' : '')) : decode(inUrlPassword)
  const hosts = hostList.split(',').map((each) => {
    const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(each) ?? []
    if (host === '') throw invalid('a host of the URL is empty or not host:port')
    return { host: decode(host.replace(/^\[|\]$/g, '')), port: port === undefined ? (tls ? 5671 : 5672) : Number(port) }
  })
  return {
    address: { tls, hosts, user: decode(user), password, vhost: vhost === '' ? '/' : decode(vhost) },
    options: checked(given),
  }
}

function checked(given: GivenOptions): RabbitOptions {
  const partitions = given.integer('partitions', 8, 1, partitionsMax)
  if ((partitions & (partitions - 1)) !== 0) throw invalid('rabbitmq.partitions must be a power of two')
  return {
    prefix: given.text('prefix', /^[\w.-]{1,60}$/, '1 to 60 letters, digits, dots, dashes') ?? 'sluice',
    queues: given.choice('queues', ['quorum', 'classic']),
    partitions,
    heartbeatS: given.integer('heartbeatS', 10, 1, 600),
    confirmTimeoutMs: given.integer('confirmTimeoutMs', 15_000, 100, 600_000),
    ...pemPath(given, 'ca'),
    ...pemPath(given, 'cert'),
    ...pemPath(given, 'key'),
  }
}

// The path, not the text: the file is read anew with each connection, so that a certificate can be renewed in its place.
function pemPath(given: GivenOptions, name: 'ca' | 'cert' | 'key'): { readonly [file in typeof name]?: string } {
  const file = given.pem(name)
  return file === undefined ? {} : { [name]: file.path }
}

/** Partitions a channel can have: bits of the key's hash that a routing key carries. */
export const partitionsMax = 64

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
