/**
 * Publishing inside the application's own transaction on the same file: the rows are written through its connection, so
 * its commit is the send. Nothing relays: that is the outbox.
 *
 * After the commit the rows are synced here and the doorbell is rung. The commit is noticed by looking at the file's
 * commit number, in the next turn of the loop or a millisecond after the last look, then at growing intervals up to 10 ms, while
 * the transaction is open.
 * (A process that dies between commit and doorbell delays delivery until somebody looks: at most a second.)
 *
 * A connection with `synchronous = FULL` has synced the WAL in its commit, so nothing is synced again: 0.45 of a plain
 * insert's rate with the second sync. It counts only where that commit is certainly this connection's: see `isOnDisk`.
 */
import { realpathSync } from 'node:fs'
import { type OutgoingMessage, type SendReport, SluiceError, type Topology } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { nextCommit } from '../file/commit-number.ts'
import { declareTopology } from '../group/declare.ts'
import { storeOutgoing } from '../send/store-outgoing.ts'
import { Database, type SqliteConnection } from '../sqlite/connection.ts'
import { sqliteFailure, storeError } from '../sqlite/errors.ts'

const lookMsMax = 10
/** Looks of a stream of transactions are this far apart: a look and its doorbell cost half a transaction. */
const lookEveryMs = 1
/** On macOS a sync that SQLite asks for may end in the drive's cache. */
const fullIsDurable: boolean = process.platform !== 'darwin'

/** What was sent through a connection and is not announced yet. */
interface Watched {
  /** Numbers that its commits may have: those of the first and of the last transaction. */
  first: number
  readonly last: number
  /** `PRAGMA data_version` inside the last transaction, where its commit is durable by itself. */
  readonly dataVersion: number | undefined
}

export class LentTransactions {
  readonly #bus: BusFile
  readonly #known: WeakMap<SqliteConnection, Database> = new WeakMap()
  readonly #watched: Map<Database, Watched> = new Map()
  #timer: NodeJS.Timeout | undefined
  #lookedAtMs = 0
  /** A look comes within {@link lookEveryMs}. */
  #soon = false
  #immediate: NodeJS.Immediate | undefined

  constructor(bus: BusFile) {
    this.#bus = bus
  }

  /**
   * Stores the batch through the application's connection; everything is done when it returns. Throws INVALID_OPTION,
   * SQLITE_TWO_LIBRARIES, or what SQLite said; the application's transaction is then as it was before.
   */
  send(messages: readonly OutgoingMessage[], transaction: unknown, topology: Topology | undefined): SendReport {
    const connection = asConnection(transaction)
    const known = this.#known.get(connection)
    const db = known ?? new Database(connection)
    if (!this.#isOpen(db)) throw new SluiceError('INVALID_OPTION', 'tx has no open transaction', { fix: 'BEGIN first, publish, then COMMIT' })
    if (known === undefined) this.#check(db)
    let seq = 0
    let report: SendReport = { failures: [] }
    db.run('SAVEPOINT sluice')
    try {
      seq = nextCommit(db)
      if (known === undefined) this.#probe()
      if (topology !== undefined) declareTopology(db, topology, this.#bus.options.partitions)
      const { failures, duplicates } = storeOutgoing(db, messages, seq, this.#bus.clock.nowMs())
      report = duplicates === undefined ? { failures } : { failures, duplicates }
      db.run('RELEASE sluice')
    } catch (error) {
      if (db.inTransaction) {
        db.run('ROLLBACK TO sluice')
        db.run('RELEASE sluice')
      }
      throw storeError(error, this.#bus.path)
    }
    this.#known.set(connection, db)
    this.#watch(db, seq)
    return report
  }

  #isOpen(db: Database): boolean {
    try {
      return db.inTransaction
    } catch (error) {
      throw new SluiceError('INVALID_OPTION', 'the connection of tx is closed', { cause: error, fix: 'BEGIN, publish and COMMIT on an open connection' })
    }
  }

  #check(db: Database): void {
    const main = db.all<{ name: string; file: string }>('PRAGMA database_list').find(({ name }) => name === 'main')
    if (main === undefined || main.file === '' || realpathSync(main.file) !== this.#bus.path) {
      throw new SluiceError('INVALID_OPTION', 'tx is a connection to another file than the bus', {
        fix: `Open the connection on ${this.#bus.path}, or use an outbox in your own database`,
      })
    }
    if (db.one<{ synchronous: number }>('PRAGMA synchronous').synchronous < 1) {
      throw new SluiceError('INVALID_OPTION', 'the connection of tx has PRAGMA synchronous = OFF, which can damage the bus file in a power cut', {
        fix: 'Set PRAGMA synchronous = NORMAL or FULL on it',
      })
    }
  }

  /** The application's connection holds the write lock now. If ours gets it too, two SQLite libraries ignore each other. */
  #probe(): void {
    const { db } = this.#bus
    try {
      db.run('BEGIN IMMEDIATE')
    } catch (error) {
      if (sqliteFailure(error) === 'busy') return
      throw error
    }
    db.run('ROLLBACK')
    throw new SluiceError(
      'SQLITE_TWO_LIBRARIES',
      "the connection of tx comes from another copy of SQLite than the engine's; the two do not see each other's locks and would damage the file",
      {
        fix: 'Open the bus through the same library: connect({ sqlite: path => new Database(path) })',
      },
    )
  }

  #watch(db: Database, seq: number): void {
    const dataVersionNow = syncsItself(db) ? dataVersion(db) : undefined
    this.#watched.set(db, { first: this.#watched.get(db)?.first ?? seq, last: seq, dataVersion: dataVersionNow })
    if (this.#soon) return
    this.#soon = true
    if (performance.now() - this.#lookedAtMs < lookEveryMs) {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#look(lookEveryMs), lookEveryMs)
    } else this.#immediate = setImmediate(() => this.#look(lookEveryMs))
  }

  #look(delayMs: number): void {
    this.#soon = false
    this.#lookedAtMs = performance.now()
    let committed: number | undefined
    let announced = false
    let onDisk = 0
    for (const [db, sent] of this.#watched) {
      if (isOnDisk(db, sent)) {
        onDisk = Math.max(onDisk, sent.last)
        this.#watched.delete(db)
        continue
      }
      committed ??= this.#bus.committedSeq()
      if (sent.first <= committed) announced = true
      // Later ones may be open still; what was rolled back has no number.
      if (sent.last > committed && stillOpen(db)) sent.first = Math.max(sent.first, committed + 1)
      else this.#watched.delete(db)
    }
    if (announced) this.#bus.announce()
    else if (onDisk > 0) this.#bus.announceSynced(onDisk)
    clearTimeout(this.#timer)
    this.#timer = this.#watched.size === 0 ? undefined : setTimeout(() => this.#look(Math.min(lookMsMax, delayMs * 2)), delayMs)
  }

  close(): void {
    clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
    this.#watched.clear()
  }
}

function asConnection(transaction: unknown): SqliteConnection {
  if (
    typeof transaction === 'object' &&
    transaction !== null &&
    'prepare' in transaction &&
    'exec' in transaction &&
    typeof transaction.prepare === 'function'
  ) {
    // Structurally a connection; `check` asks it for its file.
    return transaction as SqliteConnection
  }
  throw new SluiceError('INVALID_OPTION', 'tx must be a node:sqlite or better-sqlite3 connection to the bus file')
}

/** Whether a commit of this transaction syncs the WAL. SQLite refuses to change that inside a transaction. */
function syncsItself(db: Database): boolean {
  // The pragma as a function: `PRAGMA synchronous` itself is computed when it is prepared, and then stays as it was.
  return fullIsDurable && db.one<{ synchronous: number }>('SELECT synchronous FROM pragma_synchronous').synchronous >= 2
}

/** Changes when another connection, of any process, commits; not by this one's own commits. */
function dataVersion(db: Database): number {
  return db.one<{ data_version: number }>('PRAGMA data_version').data_version
}

/**
 * Whether the commit with this number is this connection's and synced by it. The number alone does not tell: after a
 * rollback the next commit, of anybody, has it. But if nobody else has committed since, it can only be this connection's.
 */
function isOnDisk(db: Database, sent: Watched): boolean {
  if (sent.dataVersion === undefined) return false
  try {
    if (db.inTransaction) return false
    const { commit_seq: committed } = db.one<{ commit_seq: number }>('SELECT commit_seq FROM state')
    return committed >= sent.last && dataVersion(db) === sent.dataVersion
  } catch {
    // Closed or busy: the file is asked.
    return false
  }
}

function stillOpen(db: Database): boolean {
  try {
    return db.inTransaction
  } catch {
    // Closed: rolled back.
    return false
  }
}
