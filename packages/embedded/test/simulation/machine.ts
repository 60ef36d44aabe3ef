/**
 * The machine that simulated processes share: one SQLite database in memory, whose transactions are the file's commits;
 * a disk that syncs late, or fails; a bell that is heard a little later. Any statement can find the process dead, the
 * disk full or failing, the lock taken. A transaction ends in the task it began in, as it does in the engine.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { SqliteConnection, SqliteStatement, SqliteValue } from '@sluice/embedded'
import type { SyncCalls } from '../../src/commit/wal-sync.ts'
import type { OpenBell } from '../../src/doorbell/doorbell.ts'
import { applicationId, formatVersion, schema } from '../../src/file/format.ts'
import { Database } from '../../src/sqlite/connection.ts'
import type { EventLoop, Scheduled } from './event-loop.ts'

/** Shares of calls that go wrong while things break. */
export interface MachineFaults {
  /** The write lock is taken. */
  readonly busyShare: number
  /** A statement of a transaction, or its commit, finds the disk full or failing. */
  readonly writeFailShare: number
  readonly readFailShare: number
  readonly syncFailShare: number
  /** The process dies in the middle of a transaction, at a commit or right after it. */
  readonly deathShare: number
  readonly syncMsMax: number
  readonly bellMsMax: number
}

/** A process as the machine sees it. */
export interface MachineProcess extends Scheduled {
  readonly name: string
  die(how: string): void
}

class Storage {
  readonly connection: DatabaseSync = new DatabaseSync(':memory:')
  readonly #statements: Map<string, StatementSync> = new Map()

  constructor() {
    this.connection.exec(schema)
    this.connection.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}`)
  }

  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.connection.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  close(): void {
    // Kept: seeds share its prepared statements.
  }

  empty(): void {
    const tables = this.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[]
    for (const { name } of tables) this.prepare(`DELETE FROM ${name}`).run()
    this.prepare(`INSERT INTO state VALUES (1, 0, 0, NULL, 0, 'bus', 0, ${formatVersion})`).run()
  }

  exec(sql: string): void {
    this.connection.exec(sql)
  }

  get isTransaction(): boolean {
    return this.connection.isTransaction
  }
}

let shared: { readonly storage: Storage; readonly folder: string } | undefined

/** One storage for all seeds of this thread: preparing its statements costs more than a run. */
function sharedStorage(): { readonly storage: Storage; readonly folder: string } {
  if (shared === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-simulation-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    // Opened, looked at and never read: what would be in them is in memory.
    for (const name of ['bus.db', 'bus.db-wal']) writeFileSync(join(folder, name), '')
    shared = { storage: new Storage(), folder }
  }
  return shared
}

function sqliteError(errcode: number, message: string): Error {
  return Object.assign(new Error(message), { errcode })
}

/** See the header of this file. */
export class SimMachine {
  readonly path: string
  /** The judge's own look at the storage: nothing goes wrong there. */
  readonly view: Database
  /** Called after each commit, with the text of what was executed in it. */
  committed: (process: MachineProcess, statements: ReadonlySet<string>) => void = () => undefined
  readonly #loop: EventLoop
  readonly #storage: Storage
  readonly #faults: () => MachineFaults | undefined
  #holder: MachineProcess | undefined
  #reading = false
  #executed: Set<string> = new Set()
  #syncedSeq = 0
  #bell = 0
  readonly #ears: Map<MachineProcess, () => void> = new Map()

  constructor(loop: EventLoop, faults: () => MachineFaults | undefined) {
    const { storage, folder } = sharedStorage()
    this.#loop = loop
    this.#faults = faults
    this.#storage = storage
    this.path = join(folder, 'bus.db')
    if (storage.isTransaction) storage.exec('ROLLBACK')
    storage.empty()
    this.view = new Database(storage)
  }

  /** Highest commit that is on the disk, whatever processes believe. */
  get syncedSeq(): number {
    return this.#syncedSeq
  }

  get #committedSeq(): number {
    return this.view.one<{ seq: number }>('SELECT commit_seq AS seq FROM state').seq
  }

  connect(process: MachineProcess): SqliteConnection {
    const holds = (): boolean => this.#holder === process
    return {
      prepare: (sql) => this.#statement(process, sql),
      exec: (sql) => this.#exec(process, sql),
      close: () => undefined,
      get isTransaction() {
        return holds()
      },
    }
  }

  // Settings of a file: nothing of them holds in memory.
  #exec(process: MachineProcess, sql: string): void {
    if (!sql.startsWith('PRAGMA')) this.#execute(process, sql, () => this.#storage.exec(sql))
  }

  #statement(process: MachineProcess, sql: string): SqliteStatement {
    if (sql === 'PRAGMA journal_mode = WAL') return answering({ journal_mode: 'wal' })
    if (sql.startsWith('PRAGMA wal_checkpoint')) return { ...answering(undefined), get: () => this.#checkpoint(process) }
    if (sql.includes('pragma_integrity_check')) return answering({ result: 'ok' })
    const statement = this.#storage.prepare(sql)
    return {
      run: (...values: SqliteValue[]) => this.#execute(process, sql, () => statement.run(...values)),
      get: (...values: SqliteValue[]) => this.#execute(process, sql, () => statement.get(...values)),
      all: (...values: SqliteValue[]) => this.#execute(process, sql, () => statement.all(...values)),
    }
  }

  #execute<T>(process: MachineProcess, sql: string, run: () => T): T {
    if (process.dead) throw new Error(`${process.name} is dead`)
    if (sql === 'BEGIN IMMEDIATE' || sql === 'BEGIN') return this.#begin(process, run, sql === 'BEGIN')
    if (sql === 'ROLLBACK' || (sql === 'COMMIT' && this.#reading)) {
      this.#holder = undefined
      this.#reading = false
      return run()
    }
    if (sql === 'COMMIT') return this.#commit(process, run)
    const faults = this.#faults()
    if (this.#holder === undefined || this.#reading) {
      if (this.#loop.chance(faults?.readFailShare ?? 0)) throw sqliteError(10, 'disk I/O error')
      return run()
    }
    if (faults !== undefined && this.#loop.chance(faults.deathShare)) this.#die(process, `in a transaction, before ${sql.slice(0, 40)}`)
    if (faults !== undefined && this.#loop.chance(faults.writeFailShare)) this.#fail(process)
    this.#executed.add(sql)
    return run()
  }

  #begin<T>(process: MachineProcess, run: () => T, reading: boolean): T {
    if (this.#holder !== undefined) throw new Error(`${process.name} begins a transaction in one of ${this.#holder.name}`)
    if (!reading && this.#loop.chance(this.#faults()?.busyShare ?? 0)) throw sqliteError(5, 'database is locked')
    const result = run()
    this.#holder = process
    this.#reading = reading
    this.#executed = new Set()
    return result
  }

  #commit<T>(process: MachineProcess, run: () => T): T {
    const faults = this.#faults()
    if (faults !== undefined && this.#loop.chance(faults.deathShare)) this.#die(process, 'before a commit')
    if (faults !== undefined && this.#loop.chance(faults.writeFailShare)) this.#fail(process)
    const result = run()
    this.#holder = undefined
    this.committed(process, this.#executed)
    if (faults !== undefined && this.#loop.chance(faults.deathShare)) this.#die(process, 'right after a commit')
    return result
  }

  #die(process: MachineProcess, how: string): never {
    process.die(how)
    if (this.#holder === process) {
      this.#storage.exec('ROLLBACK')
      this.#holder = undefined
    }
    throw new Error(`${process.name} is dead`)
  }

  /** SQLite takes some failed transactions back by itself, and leaves others open. */
  #fail(process: MachineProcess): never {
    this.#loop.log(() => `${process.name}: a write fails`)
    if (this.#loop.chance(0.5)) {
      this.#storage.exec('ROLLBACK')
      this.#holder = undefined
    }
    throw this.#loop.chance(0.5) ? sqliteError(13, 'database or disk is full') : sqliteError(10, 'disk I/O error')
  }

  #checkpoint(process: MachineProcess): { readonly busy: number } {
    if (process.dead) throw new Error(`${process.name} is dead`)
    if (this.#loop.chance(0.3)) return { busy: 1 }
    this.#syncedSeq = this.#committedSeq
    return { busy: 0 }
  }

  syncCalls(process: MachineProcess): SyncCalls {
    const begin = (): { readonly seq: number; readonly fails: boolean } => ({
      seq: this.#committedSeq,
      fails: this.#loop.chance(this.#faults()?.syncFailShare ?? 0),
    })
    const end = ({ seq, fails }: { readonly seq: number; readonly fails: boolean }): Error | null => {
      if (fails) return new Error('EIO: injected')
      this.#syncedSeq = Math.max(this.#syncedSeq, seq)
      return null
    }
    return {
      sync: (_, done) => {
        const begun = begin()
        this.#loop.after(undefined, this.#loop.random() * (this.#faults()?.syncMsMax ?? 1), () => {
          const error = end(begun)
          this.#loop.after(process, 0, () => done(error))
        })
      },
      syncNow: () => {
        const error = end(begin())
        if (error !== null) throw error
      },
    }
  }

  /** Heard by everybody else after a while; a ring that is not heard is made up for by the poll. */
  openBell(process: MachineProcess): OpenBell {
    return (_path, _committedSeq, _created, onRing) => {
      this.#ears.set(process, onRing)
      const poll = setInterval(onRing, 1000)
      return {
        syncedSeq: () => this.#bell,
        ring: (seq) => {
          if (process.dead) return
          this.#bell = seq
          for (const [other, heard] of this.#ears) {
            const { bellMsMax = 1 } = this.#faults() ?? {}
            if (other !== process && !other.dead && !this.#loop.chance(0.02)) this.#loop.after(other, this.#loop.random() * bellMsMax, heard)
          }
        },
        close: () => {
          clearInterval(poll)
          this.#ears.delete(process)
        },
      }
    }
  }
}

function answering(row: unknown): SqliteStatement {
  return { run: () => ({ changes: 0 }), get: () => row, all: () => (row === undefined ? [] : [row]) }
}
