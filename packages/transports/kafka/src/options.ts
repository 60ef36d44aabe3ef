import { GivenOptions, SluiceError, type TransportContext } from '@sluice/core/transport'
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
const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const
const inUrl = { prefix: 'prefix', mechanism: 'mechanism', passwordFile: 'passwordFile', ca: 'ca', cert: 'cert', key: 'key' }

function given(url: string, context: TransportContext): GivenOptions {
  return new GivenOptions({ key: 'kafka', names, inUrl }, partsOf(url).parameters, context)
}

/** Checks what `connect` was given. Throws INVALID_OPTION. */
export function kafkaOptions(url: string, context: TransportContext): KafkaOptions {
  const options = given(url, context)
  return {
    prefix: options.text('prefix', /^[A-Za-z0-9._-]{0,60}$/, 'up to 60 letters, digits, dots, "_" and "-"') ?? '',
    tunnel: options.flag('tunnel'),
    partitions: options.integer('partitions', 8, 1, 1024),
    replication: options.integer('replication', -1, -1, 16),
    sessionMs: options.integer('sessionMs', 10_000, 1_000, 600_000),
    compression: options.choice('compression', ['none', 'gzip', 'zstd']),
    sendBytesMax: options.integer('sendBytesMax', 64 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
    sendTimeoutMs: options.integer('sendTimeoutMs', 15_000, 100, 600_000),
    connectTimeoutMs: options.integer('connectTimeoutMs', 10_000, 1, 600_000),
    replyTimeoutMs: options.integer('replyTimeoutMs', 15_000, 100, 600_000),
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
  const [username, password] = user === undefined ? [] : userOf(user)
  return {
    brokers,
    tls: scheme === 'kafka+ssl' ? options.tls() : undefined,
    credentials:
      username === undefined ? undefined : { mechanism: options.choice('mechanism', mechanisms), username, password: password ?? options.password() ?? '' },
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

function badUrl(why: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `the URL of Kafka cannot be used: ${why}`, {
    fix: 'Write kafka://user:password@host:9092,host:9092, or kafka+ssl:// for TLS',
  })
}
