/** What the server says about itself, as facts. */
import { SluiceError, type TransportFacts } from '@sluice/core/transport'
import type { RedisOptions } from './options.ts'
import type { Link } from './resp/link.ts'
import { RedisError } from './resp/reply.ts'

/** Largest message, bytes: one command blocks the server while it is read. */
export const messageBytesMax: number = 16 * 1024 * 1024

interface Settings {
  readonly version: string
  readonly cluster: boolean
  readonly appendOnly: boolean
  readonly appendFsync: string | undefined
  readonly evicts: string | undefined
}

/** Reads version and settings. Rejects with SERVER_TOO_OLD. */
export async function readServer(link: Link, options: RedisOptions): Promise<TransportFacts> {
  const settings = await readSettings(link)
  checkVersion(settings.version)
  return factsOf(settings, options)
}

/** Rejects servers that are too old. */
export function checkVersion(version: string): void {
  const [major = 0] = version.split('.').map(Number)
  if (major < 7)
    throw new SluiceError('SERVER_TOO_OLD', `the server is Redis ${version}, and 7.0 is needed`, {
      fix: 'Use Redis 7.0 or newer, or Valkey: older ones neither count the entries of a stream nor run scripts while memory is full',
    })
}

/** The server's version, Valkey's own where it is one. */
export async function readVersion(link: Link): Promise<string> {
  return versionIn(await text(link, 'INFO', 'server'))
}

function infoField(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
}

function versionIn(info: string): string {
  return infoField(info, 'valkey_version') ?? infoField(info, 'redis_version') ?? '0'
}

async function readSettings(link: Link): Promise<Settings> {
  const info = await text(link, 'INFO')
  const field = (name: string): string | undefined => infoField(info, name)
  const config = async (name: string): Promise<string | undefined> => {
    // Managed servers and narrow users have no CONFIG: then the fact says that it is unknown.
    const reply = await link.command('CONFIG', 'GET', name).catch((error: unknown) => {
      if (error instanceof RedisError) return []
      throw error
    })
    return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined
  }
  const policy = field('maxmemory_policy')
  return {
    version: versionIn(info),
    cluster: field('cluster_enabled') === '1',
    appendOnly: field('aof_enabled') === '1',
    appendFsync: await config('appendfsync'),
    evicts: field('maxmemory') !== '0' && policy?.startsWith('allkeys') === true ? policy : undefined,
  }
}

async function text(link: Link, ...words: readonly string[]): Promise<string> {
  const reply = await link.command(...words)
  return typeof reply === 'string' ? reply : ''
}

function factsOf(settings: Settings, options: RedisOptions): TransportFacts {
  const notes: string[] = []
  let confirm: TransportFacts['confirm'] = 'process'
  if (settings.appendOnly && settings.appendFsync === 'always') confirm = 'synced'
  else if (settings.appendOnly && settings.appendFsync === undefined)
    notes.push('The server does not tell its appendfsync: a confirm is taken to mean its memory. Allow CONFIG GET appendfsync to know.')
  else if (settings.appendOnly)
    notes.push(
      `appendfsync is ${settings.appendFsync}: a power cut may take the last second of confirmed messages. Set appendfsync always to have them synced.`,
    )
  else
    notes.push('The server keeps no append-only file: a restart loses what was confirmed since its last snapshot. Set appendonly yes and appendfsync always.')
  if (options.replicas > 0) {
    notes.push(`A confirm waits for ${options.replicas} replicas.`)
    if (confirm === 'process') confirm = 'replicated'
  } else notes.push('A fail-over to a replica may lose what was confirmed just before it: replication is not waited for (option redis.replicas).')
  if (settings.cluster) notes.push('All channels of this bus are in one slot of the cluster, on one node: give others another prefix to have them elsewhere.')
  if (settings.evicts !== undefined) {
    confirm = 'none'
    notes.push(`maxmemory-policy is ${settings.evicts}: the server may throw whole channels away to make room. Set it to noeviction.`)
  }
  return {
    name: 'redis',
    serverVersion: `Redis ${settings.version}`,
    confirm,
    settlement: 'lease',
    settlementConfirmed: true,
    handlingMsMax: Number.POSITIVE_INFINITY,
    takeOverMs: options.leaseMs,
    keyOrder: 'key',
    partitions: 'growing',
    publishOrder: 'kept',
    parkingLot: confirm === 'none' ? 'process' : 'durable',
    attempts: 'floor',
    delayedSend: { delayMsMax: Number.POSITIVE_INFINITY, keyed: true },
    schedules: true,
    fanOut: 'transport',
    broadcast: true,
    lateGroup: 'start',
    replay: true,
    filter: 'client',
    deduplicationMsMax: Number.POSITIVE_INFINITY,
    backlog: 'exact',
    presence: true,
    priority: false,
    groupConcurrency: true,
    transaction: 'none',
    messageBytesMax,
    notes,
  }
}
