import { SluiceError, type TransportContext } from '@sluice/core/transport'
import type { SqliteFactory } from './sqlite/connection.ts'

/** How long a silent process (frozen, loop blocked) keeps what it holds. A process that died is told at once. */
const leaseMsDefault = 10_000

/** Options of the embedded engine, given as `connect({ sqlite, transportOptions: { embedded: { … } } })`. */
export interface EmbeddedOptions {
  /**
   * Opens the engine's connections through the application's SQLite library, which must be the only one in the process
   * that opens this file: `path => new Database(path)` of better-sqlite3. Default: node:sqlite.
   */
  readonly sqlite?: SqliteFactory
  /** How long a frozen process keeps its partitions, ms; a dead one loses them at once. Default 10,000. */
  readonly leaseMs: number
  /** Ordered partitions of a channel whose declaration names no number. Default 8. */
  readonly partitions: number
  /** Size of the write-ahead log at which publishing waits for the checkpoint, bytes. Default 256 MiB. */
  readonly walBytesMax: number
  /**
   * What becomes of a bus file on a network file system. Default `refuse` (STORE_NETWORK_FILESYSTEM): locks and shared memory do
   * not hold between machines, and the file would be damaged. `allow`: it is used, and each start warns; only where one
   * machine alone ever opens it.
   */
  readonly networkFileSystem: 'refuse' | 'allow'
}

interface GivenOptions {
  readonly leaseMs?: unknown
  readonly partitions?: unknown
  readonly walBytesMax?: unknown
  readonly networkFileSystem?: unknown
}

function integer(name: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new SluiceError('INVALID_OPTION', `embedded.${name} must be a whole number from ${min} to ${max}`, {
    fix: 'Leave it out for its default',
    details: { value },
  })
}

/** Checks what `connect` was given. Throws INVALID_OPTION. */
export function embeddedOptions(context: TransportContext): EmbeddedOptions {
  const { sqlite, embedded } = context.options
  if (sqlite !== undefined && typeof sqlite !== 'function')
    throw new SluiceError('INVALID_OPTION', 'sqlite must be a function that opens a connection', {
      fix: 'Write connect({ sqlite: path => new Database(path) })',
    })
  if (embedded !== undefined && (typeof embedded !== 'object' || embedded === null))
    throw new SluiceError('INVALID_OPTION', 'embedded must be an object of options', {
      fix: 'Write connect({ transportOptions: { embedded: { leaseMs: 10_000 } } })',
    })
  const given: GivenOptions = embedded ?? {}
  const names = ['leaseMs', 'partitions', 'walBytesMax', 'networkFileSystem']
  for (const name of Object.keys(given)) if (!names.includes(name)) throw unknownOption(`embedded.${name}`)
  // Options of other transports are objects under their names; anything else was meant for this one.
  for (const [name, value] of Object.entries(context.options))
    if (name !== 'sqlite' && name !== 'embedded' && typeof value !== 'object') throw unknownOption(name)
  const { networkFileSystem = 'refuse' } = given
  if (networkFileSystem !== 'refuse' && networkFileSystem !== 'allow')
    throw new SluiceError('INVALID_OPTION', "embedded.networkFileSystem must be 'refuse' or 'allow'", {
      fix: 'Leave it out to refuse network file systems',
      details: { value: networkFileSystem },
    })
  return {
    ...(sqlite === undefined ? {} : { sqlite: sqlite as SqliteFactory }),
    leaseMs: integer('leaseMs', given.leaseMs, leaseMsDefault, 100, 600_000),
    partitions: integer('partitions', given.partitions, 8, 1, 4096),
    walBytesMax: integer('walBytesMax', given.walBytesMax, 256 * 1024 * 1024, 1024 * 1024, Number.MAX_SAFE_INTEGER),
    networkFileSystem,
  }
}

function unknownOption(name: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `the bus file has no option ${name}`, {
    fix: 'Write connect({ transportOptions: { embedded: { leaseMs, partitions, walBytesMax, networkFileSystem } } })',
  })
}
