/**
 * A file with a write-ahead log beside it is looked at through a read-only connection first. A `-wal` that is damaged, older,
 * or another database's is replayed by SQLite without a word, and the last connection that closes writes it into the database
 * file: also one that only looked and refused. A read-only connection writes nothing.
 */
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { readBell, verifyBell } from '../doorbell/bell-file.ts'
import { Database } from '../sqlite/connection.ts'
import { sqliteFailure } from '../sqlite/errors.ts'
import { applicationId, formatVersion } from './format.ts'
import { verifySteeringRows } from './verify-rows.ts'

/** Throws STORE_CORRUPT, or what SQLite says (busy, corrupt, no database). Only for processes that use node:sqlite. */
export function verifyBeforeUse(path: string): void {
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0) return
  const { DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
  const bell = readBell(path)
  let db: Database | undefined
  try {
    db = new Database(new DatabaseSync(path, { readOnly: true }))
    const { application_id: application } = db.one<{ application_id: number }>('PRAGMA application_id')
    const { user_version: version } = db.one<{ user_version: number }>('PRAGMA user_version')
    // Another format, another application, nothing yet: opening says so, and writes nothing either.
    if (application !== applicationId || version !== formatVersion) return
    verifySteeringRows(db, path)
    const state = db.one<{ bus_id: string; commit_seq: number }>('SELECT bus_id, commit_seq FROM state')
    verifyBell(path, bell, state.bus_id, state.commit_seq)
  } catch (error) {
    // A log that cannot be read without writing (no -shm, and none can be made): opening finds out.
    if (!['cannot-open', 'read-only'].includes(sqliteFailure(error))) throw error
  } finally {
    db?.close()
  }
}
