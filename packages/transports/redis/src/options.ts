import { readFileSync } from 'node:fs'
import { SluiceError, type TransportContext } from '@sluice/core/transport'
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
  /** Replicas that must have a message before it is confirmed (`WAIT`, for two thirds of `replyTimeoutMs` at most: then its fate is unknown). Default 0. */
  readonly replicas: number
  /** Options of node:tls for `rediss:` and `rediss+pubsub:`; of it `ca`, `cert` and `key`, the paths of PEM files, are given beside it. */
  readonly tls: Readonly<Record<string, unknown>>
  readonly connectTimeoutMs: number
  /** A server that leaves a command unanswered for so long is taken for gone, and the connection is opened again, ms. Default 15,000. */
  readonly replyTimeoutMs: number
}

/** Everything that is needed to connect. */
export interface RedisTarget extends ServerAddress {
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
const namesInUrl = ['prefix', 'ca', 'cert', 'key', 'passwordFile']

/** What the URL's query says, and over it what `connect` was given. */
function given(url: string, context: TransportContext): Readonly<Record<string, unknown>> {
  const inUrl = URL.canParse(url) ? Object.fromEntries(new URL(url).searchParams) : {}
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
  const { prefix = 'sluice:', tls = {} } = options
  if (typeof prefix !== 'string' || /[{}\s]/.test(prefix)) throw new SluiceError('INVALID_OPTION', 'redis.prefix must be text without braces and spaces')
  if (typeof tls !== 'object' || tls === null) throw new SluiceError('INVALID_OPTION', 'redis.tls must be an object of options for node:tls')
  return {
    leaseMs: integer('leaseMs', options.leaseMs, 10_000, 200, 600_000),
    partitions: integer('partitions', options.partitions, 8, 1, 1024),
    prefix,
    sendBytesMax: integer('sendBytesMax', options.sendBytesMax, 64 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
    replicas: integer('replicas', options.replicas, 0, 0, 16),
    tls: { ...(tls as Readonly<Record<string, unknown>>), ...pemFiles(options) },
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1, 600_000),
    replyTimeoutMs: integer('replyTimeoutMs', options.replyTimeoutMs, 15_000, 100, 600_000),
  }
}

/** Reads a URL. The password may come from the options instead, as text or from a file. Throws INVALID_OPTION. */
export function redisTarget(url: string, context: TransportContext, options: RedisOptions): RedisTarget {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw badUrl('it is no URL')
  }
  const path = parsed.pathname.replace(/^\//, '')
  if (!/^\d*$/.test(path)) throw badUrl('what follows the host must be the number of a database')
  const port = parsed.port === '' ? 6379 : Number(parsed.port)
  const host = parsed.hostname === '' ? 'localhost' : parsed.hostname.replace(/^\[|\]$/g, '')
  const username = parsed.username === '' ? undefined : decodeURIComponent(parsed.username)
  return {
    host,
    port,
    tls: parsed.protocol.startsWith('rediss') ? options.tls : undefined,
    connectTimeoutMs: options.connectTimeoutMs,
    replyTimeoutMs: options.replyTimeoutMs,
    username,
    password: parsed.password === '' ? passwordOf(given(url, context)) : decodeURIComponent(parsed.password),
    database: path === '' ? 0 : Number(path),
    shown: `${parsed.protocol}//${host}:${port}${path === '' ? '' : `/${path}`}`,
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
    throw new SluiceError('INVALID_OPTION', `the file that redis.${name} names cannot be read`, { cause })
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
