/**
 * The physical limit: a log in SQLite, written and read with nothing around it. One process appends batches and syncs
 * the WAL off the thread, another reads what is synced, parses it and commits its cursor.
 */
import { closeSync, fdatasync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'

/** How messages lie in the log: a row for each batch, or for each message. */
export type RowKind = 'batch' | 'message'

export function openLog(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, 'raw.db'), { timeout: 5000 })
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-65536')
  db.exec(
    'CREATE TABLE IF NOT EXISTS batch(first INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT; CREATE TABLE IF NOT EXISTS message(position INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT; CREATE TABLE IF NOT EXISTS cursor(id INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT; INSERT OR IGNORE INTO cursor VALUES(1, 0)',
  )
  return db
}

const sync = promisify(fdatasync)

/** Syncs the WAL on the thread pool; many commits share one sync. */
export class WalSync {
  readonly #fd: number
  constructor(folder: string) {
    this.#fd = openSync(join(folder, 'raw.db-wal'), 'r+')
  }
  sync(): Promise<void> {
    return sync(this.#fd)
  }
  close(): void {
    closeSync(this.#fd)
  }
}

/** The highest synced position, in a file that the reader watches. */
export class Doorbell {
  readonly #fd: number
  readonly #bytes = Buffer.alloc(8)
  constructor(folder: string) {
    this.#fd = openSync(join(folder, 'bell'), 'a+')
    closeSync(this.#fd)
    this.#fd = openSync(join(folder, 'bell'), 'r+')
  }
  ring(position: number): void {
    this.#bytes.writeDoubleLE(position)
    writeSync(this.#fd, this.#bytes, 0, 8, 0)
  }
  read(): number {
    return readSync(this.#fd, this.#bytes, 0, 8, 0) < 8 ? 0 : this.#bytes.readDoubleLE()
  }
}
