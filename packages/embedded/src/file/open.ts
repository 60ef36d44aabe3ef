/** Opening a bus file: checks before anything is touched, creation, migration, and the settings of every connection. */
import { realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { isSluiceError, newId, SluiceError } from '@sluice/core/transport'
import { usersOf } from '../lease/users.ts'
import { Database, type SqliteConnection, type SqliteFactory } from '../sqlite/connection.ts'
import { sqliteFailure, storeError } from '../sqlite/errors.ts'
import { newerFormat } from './commit-number.ts'
import { createFile, createFolder, fileError, restrictFile, syncFolder } from './file-system.ts'
import { applicationId, formatVersion, schema } from './format.ts'
import { migrateFile, olderInUse } from './migrate.ts'
import { networkFileSystemOf, onNetworkFileSystem } from './network-file-system.ts'
import { verifyBeforeUse } from './verify-before-use.ts'
import { verifySteeringRows } from './verify-rows.ts'

/** How long opening waits for other processes that create, migrate or recover the same file. */
const openWaitMs = 10_000

export interface OpenedFile {
  readonly db: Database
  /** The real path: `-wal` and `-shm` stand beside it, whatever links led here. */
  readonly path: string
  /** Names this bus for ever; a copy of the file has the same. */
  readonly busId: string
  /** There was no file. */
  readonly created: boolean
  /** The network file system that it is on. */
  readonly network: string | undefined
}

/** Opens through node:sqlite, which Node bundles. Loaded when needed, since an application may lend another library. */
export function openWithNode(path: string): SqliteConnection {
  const { DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
  return new DatabaseSync(path)
}

/**
 * Opens or creates the bus file. `networkFileSystem`: whether a file that lies on one is used in spite of that, default
 * `refuse`. Rejects with a STORE_* or SQLITE_UNSOUND error; what is not ours is left as it is.
 */
export async function openFile(path: string, factory: SqliteFactory, networkFileSystem: 'refuse' | 'allow' = 'refuse'): Promise<OpenedFile> {
  const folder = dirname(path)
  let network: string | undefined
  try {
    network = networkFileSystemOf(folder)
    if (network !== undefined && networkFileSystem === 'refuse') throw onNetworkFileSystem(folder, network)
    createFolder(folder)
  } catch (error) {
    throw isSluiceError(error) ? error : fileError(error, folder)
  }
  const created = createFile(path)
  const real = join(realpathSync(folder), basename(realpathSync(path)))
  if (!created && !statSync(real).isFile()) throw storeError(Object.assign(new Error('not a file'), { errcode: 26 }), path)
  if (factory === openWithNode && !created) await retryWhileBusy(path, () => verifyBeforeUse(real))
  let connection: SqliteConnection
  try {
    connection = factory(real)
  } catch (error) {
    throw storeError(error, path)
  }
  const db = new Database(connection)
  let older: number | undefined
  try {
    db.exec('PRAGMA busy_timeout = 0')
    // Any statement can meet a lock, for preparing it reads the schema: another process recovers the log, or deletes it.
    const busId = await retryWhileBusy(path, () => {
      refuseUnsoundSqlite(db)
      const version = readFormat(db, real)
      older = version !== 0 && version < formatVersion ? version : undefined
      if (older !== undefined) migrateFile(db, older)
      older = undefined
      prepareFile(db, real)
      verifySteeringRows(db, real)
      return db.one<{ bus_id: string }>('SELECT bus_id FROM state').bus_id
    })
    if (created) syncFolder(folder)
    restrictFile(real)
    return { db, path: real, busId, created, network }
  } catch (error) {
    const failure = storeError(error, path)
    const told = older !== undefined && failure.code === 'STORE_BUSY' ? olderInUse(path, older, usersOf(db), failure) : failure
    db.close()
    throw told
  }
}

/** The settings that every connection of the engine has. `wal_autocheckpoint = 0`: the checkpointer decides. */
export function configure(db: Database): void {
  db.exec('PRAGMA synchronous = NORMAL')
  db.exec('PRAGMA wal_autocheckpoint = 0')
  db.exec('PRAGMA temp_store = MEMORY')
  db.exec('PRAGMA cache_size = -8192')
  db.exec('PRAGMA foreign_keys = OFF')
  db.exec('PRAGMA trusted_schema = OFF')
  if (process.platform === 'darwin') {
    // fsync on macOS does not reach the platter without these.
    db.exec('PRAGMA fullfsync = 1')
    db.exec('PRAGMA checkpoint_fullfsync = 1')
  }
}

/** The format of a bus file, 0 for an empty one; nothing is written. Throws STORE_NOT_A_BUS, STORE_NEWER_FORMAT. */
function readFormat(db: Database, path: string): number {
  const { user_version: version } = db.one<{ user_version: number }>('PRAGMA user_version')
  const { application_id: application } = db.one<{ application_id: number }>('PRAGMA application_id')
  const { tables } = db.one<{ tables: number }>('SELECT count(*) AS tables FROM sqlite_schema')
  const empty = tables === 0 && version === 0 && application === 0
  if (!empty && application !== applicationId) {
    throw new SluiceError('STORE_NOT_A_BUS', `${path} is a database of another application`, {
      details: { path },
      fix: 'Point the URL at another file; this one was not touched',
    })
  }
  if (version > formatVersion) throw newerFormat(version, path)
  return version
}

function prepareFile(db: Database, path: string): void {
  // Only now is anything written: switching to WAL changes the header.
  const { journal_mode: mode } = db.one<{ journal_mode: string }>('PRAGMA journal_mode = WAL')
  if (mode !== 'wal')
    throw new SluiceError('STORE_READ_ONLY', `${path} cannot use a write-ahead log (journal mode ${mode})`, {
      fix: 'Put the bus file on a local disk that the process may write',
    })
  configure(db)
  // The schema is made durable with FULL: whoever opens next must find all of it or nothing.
  db.exec('PRAGMA synchronous = FULL')
  // A read-only file opens well and fails at the first message; better to say so now.
  db.exec('BEGIN IMMEDIATE')
  try {
    const { user_version: version } = db.one<{ user_version: number }>('PRAGMA user_version')
    // A newer build may have had it since its format was read: before the log is in use, no lock keeps others out.
    if (version > formatVersion) throw newerFormat(version, path)
    if (version === 0) {
      db.exec(schema)
      db.run('INSERT INTO state VALUES (1, 0, 0, NULL, 0, ?, ?, ?)', newId(), Date.now(), formatVersion)
      db.exec(`PRAGMA application_id = ${applicationId}`)
      db.exec(`PRAGMA user_version = ${formatVersion}`)
    }
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
  db.exec('PRAGMA synchronous = NORMAL')
}

/** SQLite before these has a WAL-reset bug that corrupts files with several writers: exactly how the engine works. */
export function refuseUnsoundSqlite(db: Database): void {
  const { version } = db.one<{ version: string }>('SELECT sqlite_version() AS version')
  if (isSoundSqlite(version)) return
  throw new SluiceError('SQLITE_UNSOUND', `SQLite ${version} can corrupt a file that several processes write`, {
    details: { version },
    fix: 'Use a Node that bundles SQLite 3.51.3 or later (Node 22.23, 24.15 or 26), or lend a newer better-sqlite3 by connect({ sqlite })',
  })
}

/** Whether the WAL-reset bug is fixed in this version: 3.51.3, and the patch releases 3.50.7 and 3.44.6. */
export function isSoundSqlite(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major !== 3) return major > 3
  if (minor >= 52) return true
  if (minor === 51) return patch >= 3
  if (minor === 50) return patch >= 7
  return minor === 44 && patch >= 6
}

/** Runs `work` until it meets no lock of another process, without ever blocking the event loop. */
export async function retryWhileBusy<T>(path: string, work: () => T, waitMs: number = openWaitMs): Promise<T> {
  const endMs = performance.now() + waitMs
  for (let delayMs = 1; ; delayMs = Math.min(50, delayMs * 2)) {
    try {
      return work()
    } catch (error) {
      if (sqliteFailure(error) !== 'busy' || performance.now() > endMs) throw storeError(error, path)
    }
    // Real time, not the clock's: another process does not wait for a test to move it.
    await new Promise<void>((resolve) => setTimeout(resolve, delayMs))
  }
}
