import { GivenOptions, SluiceError, type TransportContext } from '@sluice/core/transport'
import { channelKey, clusterPrefix } from './keys.ts'
import type { ServerAddress } from './resp/connection.ts'

/** Options of the Redis transport, given as `connect({ transportOptions: { redis: { … } } })`. */
export interface RedisOptions {
  /**
   * How long a member that was not heard of keeps its partitions, ms: a dead process's messages wait that long. Heartbeats
   * come four times as often. Default 10,000.
   */
  readonly leaseMs: number
  /** Ordered partitions of a channel whose declaration names no number. Default 8. */
  readonly partitions: number
  /** What the names of all keys begin with. Default `sluice:`. Like `passwordFile`, `ca`, `cert` and `key` also in the URL's query. */
  readonly prefix: string
  /** Messages waiting in this process for the server, at most, bytes; beyond, publishing fails with BACKPRESSURE. Default 64 MiB. */
  readonly sendBytesMax: number
  /** What Sentinels call the primary: the hosts of the URL are theirs then. Default: they are the servers themselves, or nodes of a cluster. */
  readonly master: string | undefined
  /** Replicas that must have a message before it is confirmed (`WAIT`, for two thirds of `replyTimeoutMs` at most: then its fate is unknown). Default 0. */
  readonly replicas: number
  /** Options of node:tls for `rediss:` and `rediss+pubsub:`; of it `ca`, `cert` and `key`, the paths of PEM files, are given beside it. */
  readonly tls: Readonly<Record<string, unknown>>
  /** Longest time for connecting and authenticating, ms. Default 10,000. */
  readonly connectTimeoutMs: number
  /** A server that leaves a command unanswered for so long is taken for gone, and the connection is opened again, ms. Default 15,000. */
  readonly replyTimeoutMs: number
}

/** A server, by name or address. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** Everything that is needed to connect. */
export interface RedisTarget extends Omit<ServerAddress, keyof Place> {
  /** Those that the URL names, tried in this order. */
  readonly hosts: readonly Place[]
  readonly master: string | undefined
  /** A key of the bus as it is named in a cluster: the node that has its slot is the one to connect to. */
  readonly clusterKey: string
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** URL without credentials, for people. */
  readonly shown: string
}

const names = [
  'leaseMs',
  'partitions',
  'prefix',
  'master',
  'sendBytesMax',
  'replicas',
  'tls',
  'connectTimeoutMs',
  'replyTimeoutMs',
  'password',
  'passwordFile',
  'ca',
  'cert',
  'key',
]

/** Options that the URL may carry as well, so that one SLUICE_URL is enough. */
const inUrl = { prefix: 'prefix', master: 'master', ca: 'ca', cert: 'cert', key: 'key', passwordFile: 'passwordFile' }

function given(url: string, context: TransportContext): GivenOptions {
  return new GivenOptions({ key: 'redis', names, inUrl }, parseHosts(url)[0].searchParams, context)
}

/** Checks what `connect` was given. Throws INVALID_OPTION. */
export function redisOptions(url: string, context: TransportContext): RedisOptions {
  const options = given(url, context)
  return {
    leaseMs: options.integer('leaseMs', 10_000, 200, 600_000),
    partitions: options.integer('partitions', 8, 1, 1024),
    prefix: options.text('prefix', /^[^{}\s]*$/, 'text without braces and spaces') ?? 'sluice:',
    master: options.text('master', /./, 'a name'),
    sendBytesMax: options.integer('sendBytesMax', 64 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
    replicas: options.integer('replicas', 0, 0, 16),
    tls: options.tls(),
    connectTimeoutMs: options.integer('connectTimeoutMs', 10_000, 1, 600_000),
    replyTimeoutMs: options.integer('replyTimeoutMs', 15_000, 100, 600_000),
  }
}

/** Reads a URL. The password may come from the options instead, as text or from a file. Throws INVALID_OPTION. */
export function redisTarget(url: string, context: TransportContext, options: RedisOptions): RedisTarget {
  const urls = parseHosts(url)
  const [first] = urls
  const path = first.pathname.replace(/^\//, '')
  if (!/^\d*$/.test(path)) throw badUrl('what follows the host must be the number of a database')
  const hosts = urls.map(({ hostname, port }) => ({
    host: hostname === '' ? 'localhost' : hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (options.master === undefined ? 6379 : 26_379) : Number(port),
  }))
  const username = first.username === '' ? undefined : decodeURIComponent(first.username)
  return {
    hosts,
    master: options.master,
    clusterKey: channelKey(clusterPrefix(options.prefix), ''),
    tls: first.protocol.startsWith('rediss') ? options.tls : undefined,
    connectTimeoutMs: options.connectTimeoutMs,
    replyTimeoutMs: options.replyTimeoutMs,
    username,
    password: first.password === '' ? given(url, context).password() : decodeURIComponent(first.password),
    database: path === '' ? 0 : Number(path),
    shown: `${first.protocol}//${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}${path === '' ? '' : `/${path}`}`,
  }
}

/** One URL for each host that is named, separated by commas; the first has all the rest. */
function parseHosts(url: string): readonly [URL, ...URL[]] {
  const [, before = '', hosts = '', after = ''] = /^([^/?]*\/\/(?:[^@/?]*@)?)([^/?]*)(.*)$/.exec(url) ?? []
  try {
    const [first = '', ...others] = hosts.split(',')
    if (others.includes('')) throw new Error('a comma without a host')
    return [new URL(hosts === '' ? url : `${before}${first}${after}`), ...others.map((host) => new URL(`redis://${host}`))]
  } catch {
    throw badUrl('it is no URL')
  }
}

function badUrl(why: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `the URL of Redis cannot be used: ${why}`, {
    fix: 'Write redis://user:password@host:6379/0, or rediss:// for TLS',
  })
}
