/**
 * Publishing inside the application's own transaction on the same file: the rows are written through its connection, so
 * its commit is the send. Nothing relays: that is the outbox.
 *
 * After the commit the rows are synced here and the doorbell is rung. The commit is noticed by looking at the file's
 * commit number, first in the next turn of the loop, then at growing intervals up to 10 ms, while the transaction is open.
 * (A process that dies between commit and doorbell delays delivery until somebody looks: at most a second.)
 */
import { realpathSync } from 'node:fs'
import { type OutgoingMessage, type SendReport, SluiceError, type Topology } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { declareTopology } from '../group/declare.ts'
import { storeOutgoing } from '../send/store-outgoing.ts'
import { Database, type SqliteConnection } from '../sqlite/connection.ts'
import { sqliteFailure, storeError } from '../sqlite/errors.ts'

const lookMsMax = 10

export class LentTransactions {
  readonly #bus: BusFile
  readonly #known: WeakMap<SqliteConnection, Database> = new WeakMap()
  readonly #watched: Map<Database, number> = new Map()
  #timer: NodeJS.Timeout | undefined
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
      seq = db.one<{ commit_seq: number }>('UPDATE state SET commit_seq = commit_seq + 1 RETURNING commit_seq').commit_seq
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
    this.#watched.set(db, seq)
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      this.#look(1)
    })
  }

  #look(delayMs: number): void {
    const committed = this.#bus.committedSeq()
    let announce = false
    for (const [db, seq] of this.#watched) {
      if (seq <= committed) announce = true
      else if (stillOpen(db)) continue
      this.#watched.delete(db)
    }
    if (announce) this.#bus.announce()
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

function stillOpen(db: Database): boolean {
  try {
    return db.inTransaction
  } catch {
    // Closed: rolled back.
    return false
  }
}
