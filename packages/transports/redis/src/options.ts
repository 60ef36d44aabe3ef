import { readFileSync } from 'node:fs'
import { SluiceError, type TransportContext } from '@sluice/core/transport'
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

function integer(name: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new SluiceError('INVALID_OPTION', `redis.${name} must be a whole number from ${min} to ${max}`)
}

/** Options that the URL may carry as well, so that one SLUICE_URL is enough. */
const namesInUrl = ['prefix', 'master', 'ca', 'cert', 'key', 'passwordFile']

/** What the URL's query says, and over it what `connect` was given. */
function given(url: string, context: TransportContext): Readonly<Record<string, unknown>> {
  const inUrl = Object.fromEntries(parseHosts(url)[0].searchParams)
  for (const name of Object.keys(inUrl)) if (!namesInUrl.includes(name)) throw badUrl(`it has the parameter "${name}", and there are: ${namesInUrl.join(', ')}`)
  const { redis } = context.options
  if (redis === undefined) return inUrl
  if (typeof redis !== 'object' || redis === null) throw new SluiceError('INVALID_OPTION', 'redis must be an object of options')
  for (const name of Object.keys(redis))
    if (!names.includes(name))
      throw new SluiceError('INVALID_OPTION', `the Redis transport has no option redis.${name}`, { fix: `There are: ${names.join(', ')}` })
  return { ...inUrl, ...redis }
}

/** Checks what `connect` was given. Throws INVALID_OPTION. */
export function redisOptions(url: string, context: TransportContext): RedisOptions {
  const options = given(url, context)
  const { prefix = 'sluice:', tls = {}, master } = options
  if (typeof prefix !== 'string' || /[{}\s]/.test(prefix)) throw new SluiceError('INVALID_OPTION', 'redis.prefix must be text without braces and spaces')
  if (master !== undefined && (typeof master !== 'string' || master === '')) throw new SluiceError('INVALID_OPTION', 'redis.master must be a name')
  if (typeof tls !== 'object' || tls === null) throw new SluiceError('INVALID_OPTION', 'redis.tls must be an object of options for node:tls')
  return {
    leaseMs: integer('leaseMs', options.leaseMs, 10_000, 200, 600_000),
    partitions: integer('partitions', options.partitions, 8, 1, 1024),
    prefix,
    master,
    sendBytesMax: integer('sendBytesMax', options.sendBytesMax, 64 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
    replicas: integer('replicas', options.replicas, 0, 0, 16),
    tls: { ...(tls as Readonly<Record<string, unknown>>), ...pemFiles(options) },
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1, 600_000),
    replyTimeoutMs: integer('replyTimeoutMs', options.replyTimeoutMs, 15_000, 100, 600_000),
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
    password: first.password === '' ? passwordOf(given(url, context)) : decodeURIComponent(first.password),
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

function pemFiles(options: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const name of ['ca', 'cert', 'key']) if (options[name] !== undefined) files[name] = fileText(name, options[name])
  return files
}

function fileText(name: string, path: unknown): string {
  if (typeof path !== 'string') throw new SluiceError('INVALID_OPTION', `redis.${name} must be the path of a file`)
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SluiceError('INVALID_OPTION', `the file that redis.${name} names cannot be read`, { cause, fix: 'Correct its path, or the rights of the file' })
  }
}

function passwordOf(options: Readonly<Record<string, unknown>>): string | undefined {
  const { password, passwordFile } = options
  if (password !== undefined && typeof password !== 'string') throw new SluiceError('INVALID_OPTION', 'redis.password must be text')
  return passwordFile === undefined ? password : fileText('passwordFile', passwordFile).replace(/\r?\n$/, '')
}

function badUrl(why: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `the URL of Redis cannot be used: ${why}`, {
    fix: 'Write redis://user:password@host:6379/0, or rediss:// for TLS',
  })
}
