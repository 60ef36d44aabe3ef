import { readFileSync } from 'node:fs'
import { SluiceError, type TransportContext } from '@sluice/core/transport'
import type { Compression } from './protocol/compression.ts'

/** How to prove who we are. */
export interface Credentials {
  readonly mechanism: Mechanism
  readonly username: string
  readonly password: string
}

/** SASL mechanisms. */
export type Mechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

/** Options of the Kafka transport, given as `connect({ transportOptions: { kafka: { … } } })`, beside `mechanism`, `password`, `passwordFile`, `ca`, `cert` and `key`. */
export interface KafkaOptions {
  /** What the names of all topics and groups begin with. Default: nothing. Like `mechanism`, `passwordFile`, `ca`, `cert` and `key` also in the URL's query. */
  readonly prefix: string
  /** Partitions of a topic whose channel names no number. Default 8. */
  readonly partitions: number
  /** Replicas of topics that are made here. Default −1: as the broker has it (`default.replication.factor`). */
  readonly replication: number
  /** How long a member that was not heard of keeps its partitions, ms: a dead process's messages wait that long. Default 10,000. */
  readonly sessionMs: number
  /** How batches are compressed: `none`, `gzip` or `zstd`. Default `none`. */
  readonly compression: Compression
  /** Messages waiting in this process for the brokers, at most, bytes; beyond, publishing fails with BACKPRESSURE. Default 64 MiB. */
  readonly sendBytesMax: number
  /** How long a batch is sent again, under the same number, until its fate is called unknown, ms. Default 15,000. */
  readonly sendTimeoutMs: number
  /** Longest time for connecting and authenticating, ms. Default 10,000. */
  readonly connectTimeoutMs: number
  /** A broker that leaves a request unanswered for so long is taken for gone, and the connection is opened again, ms. Default 15,000. */
  readonly replyTimeoutMs: number
  /**
   * Every broker is reached by the URL's first address, whatever it says of itself: for a single broker behind a tunnel or a
   * proxy. Default false.
   */
  readonly tunnel: boolean
}

/** Everything that is needed to connect. */
export interface KafkaTarget {
  readonly brokers: readonly { readonly host: string; readonly port: number }[]
  /** Options of node:tls; undefined: plain TCP. */
  readonly tls: Readonly<Record<string, unknown>> | undefined
  readonly credentials: Credentials | undefined
  /** URL without credentials, for people. */
  readonly shown: string
}

const names = [
  ...['prefix', 'partitions', 'replication', 'sessionMs', 'compression', 'sendBytesMax', 'sendTimeoutMs', 'connectTimeoutMs', 'replyTimeoutMs'],
  ...['mechanism', 'password', 'passwordFile', 'ca', 'cert', 'key', 'tls', 'tunnel'],
]
const namesInUrl = ['prefix', 'mechanism', 'passwordFile', 'ca', 'cert', 'key']
const mechanisms: readonly Mechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']

/** Options and what stands in the URL's query; an option outranks the URL. */
function given(url: string, context: TransportContext): Readonly<Record<string, unknown>> {
  const { kafka = {} } = context.options
  if (typeof kafka !== 'object' || kafka === null) throw new SluiceError('INVALID_OPTION', 'kafka must be an object of options')
  for (const name of Object.keys(kafka))
    if (!names.includes(name))
      throw new SluiceError('INVALID_OPTION', `the Kafka transport has no option kafka.${name}`, { fix: `There are: ${names.join(', ')}` })
  const inUrl = Object.fromEntries(partsOf(url).parameters)
  for (const name of Object.keys(inUrl)) if (!namesInUrl.includes(name)) throw badUrl(`it has the parameter "${name}", and takes only ${namesInUrl.join(', ')}`)
  return { ...inUrl, ...kafka }
}

function integer(name: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new SluiceError('INVALID_OPTION', `kafka.${name} must be a whole number from ${min} to ${max}`)
}

/** Checks what `connect` was given. Throws INVALID_OPTION. */
export function kafkaOptions(url: string, context: TransportContext): KafkaOptions {
  const options = given(url, context)
  const { prefix = '', compression = 'none', tunnel = false } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9._-]{0,60}$/.test(prefix))
    throw new SluiceError('INVALID_OPTION', 'kafka.prefix must be up to 60 letters, digits, dots, "_" and "-"')
  if (compression !== 'none' && compression !== 'gzip' && compression !== 'zstd')
    throw new SluiceError('INVALID_OPTION', 'kafka.compression must be none, gzip or zstd')
  if (typeof tunnel !== 'boolean') throw new SluiceError('INVALID_OPTION', 'kafka.tunnel must be true or false')
  return {
    prefix,
    tunnel,
    partitions: integer('partitions', options.partitions, 8, 1, 1024),
    replication: integer('replication', options.replication, -1, -1, 16),
    sessionMs: integer('sessionMs', options.sessionMs, 10_000, 1_000, 600_000),
    compression,
    sendBytesMax: integer('sendBytesMax', options.sendBytesMax, 64 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
    sendTimeoutMs: integer('sendTimeoutMs', options.sendTimeoutMs, 15_000, 100, 600_000),
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1, 600_000),
    replyTimeoutMs: integer('replyTimeoutMs', options.replyTimeoutMs, 15_000, 100, 600_000),
  }
}

/**
 * Reads `kafka://user:password@host:9092,host:9092?prefix=…`, or `kafka+ssl:` for TLS. The password may come from the
 * options instead, as text or from a file. Throws INVALID_OPTION.
 */
export function kafkaTarget(url: string, context: TransportContext): KafkaTarget {
  const options = given(url, context)
  const { scheme, user, hosts, path } = partsOf(url)
  if (path !== '') throw badUrl('nothing may follow the hosts but a query')
  const brokers = hosts.split(',').map((host) => {
    const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(host)
    if (found === null) throw badUrl('a host cannot be read')
    return { host: found[1] ?? found[2] ?? '', port: Number(found[3] ?? 9092) }
  })
  const { tls = {}, mechanism = 'PLAIN' } = options
  if (typeof tls !== 'object' || tls === null) throw new SluiceError('INVALID_OPTION', 'kafka.tls must be an object of options for node:tls')
  const chosen = mechanisms.find((one) => one === mechanism)
  if (chosen === undefined) throw new SluiceError('INVALID_OPTION', `kafka.mechanism must be one of ${mechanisms.join(', ')}`)
  const [username, password] = user === undefined ? [] : userOf(user)
  return {
    brokers,
    tls: scheme === 'kafka+ssl' ? { ...(tls as Readonly<Record<string, unknown>>), ...pemFiles(options) } : undefined,
    credentials: username === undefined ? undefined : { mechanism: chosen, username, password: password ?? passwordOf(options) ?? '' },
    shown: `${scheme}://${hosts}`,
  }
}

interface UrlParts {
  readonly scheme: string
  readonly user: string | undefined
  readonly hosts: string
  readonly path: string
  readonly parameters: URLSearchParams
}

// Several hosts in a row are no URL for `new URL`.
function partsOf(url: string): UrlParts {
  const found = /^(kafka(?:\+ssl)?):\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/?([^?#]*)(?:\?([^#]*))?$/.exec(url)
  if (found === null) throw badUrl('it is no URL')
  return { scheme: found[1] ?? '', user: found[2], hosts: found[3] ?? '', path: found[4] ?? '', parameters: new URLSearchParams(found[5] ?? '') }
}

function userOf(text: string): [username: string, password: string | undefined] {
  const colon = text.indexOf(':')
  try {
    if (colon < 0) return [decodeURIComponent(text), undefined]
    return [decodeURIComponent(text.slice(0, colon)), decodeURIComponent(text.slice(colon + 1))]
  } catch {
    throw badUrl('user name and password must be percent-encoded')
  }
}

function pemFiles(options: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const name of ['ca', 'cert', 'key']) if (options[name] !== undefined) files[name] = pemText(name, options[name])
  return files
}

// OpenSSL takes a file without a certificate for one that trusts nobody.
function pemText(name: string, path: unknown): string {
  const text = fileText(name, path)
  if (!text.includes('-----BEGIN '))
    throw new SluiceError('INVALID_OPTION', `the file that kafka.${name} names holds nothing in PEM form`, { fix: 'Name a file that has -----BEGIN … in it' })
  return text
}

function fileText(name: string, path: unknown): string {
  if (typeof path !== 'string') throw new SluiceError('INVALID_OPTION', `kafka.${name} must be the path of a file`)
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SluiceError('INVALID_OPTION', `the file that kafka.${name} names cannot be read`, { cause, fix: 'Correct its path, or the rights of the file' })
  }
}

function passwordOf(options: Readonly<Record<string, unknown>>): string | undefined {
  const { password, passwordFile } = options
  if (password !== undefined && typeof password !== 'string') throw new SluiceError('INVALID_OPTION', 'kafka.password must be text')
  return passwordFile === undefined ? password : fileText('passwordFile', passwordFile).replace(/\r?\n$/, '')
}

function badUrl(why: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `the URL of Kafka cannot be used: ${why}`, {
    fix: 'Write kafka://user:password@host:9092,host:9092, or kafka+ssl:// for TLS',
  })
}
