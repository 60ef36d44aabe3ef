/**
 * From an older format to this build's. The rule (docs/internals/embedded-engine.md, "Two builds on one file"): nobody else
 * may have the file open while it is migrated. Whether that is so is not guessed: the file is asked for exclusively, which
 * fails at once, with no byte moved, while any process has it open, be it one that only publishes.
 *
 * Crash-safe by SQLite's rollback journal: a death at any point leaves the old format with a journal, which the next one to
 * open rolls back (of either build), or the new one.
 */
import { type FileUser, SluiceError } from '@sluice/core/transport'
import type { Database } from '../sqlite/connection.ts'
import { formatVersion } from './format.ts'
import { wrongDefinitions } from './verify-rows.ts'

/**
 * One step each from version n to n + 1. A step ends with exactly the definitions of its version: rename the old table, drop
 * its indexes, create the new one under the old name, copy, drop the old one (a table that was renamed or altered has another
 * text in sqlite_schema). `state` keeps id, commit_seq, change_seq and format for ever: older builds look there before they write.
 */
const steps: ReadonlyMap<number, (db: Database) => void> = new Map()

/**
 * Migrates the file in one transaction that has it alone. Throws what SQLite says when somebody else has it open (busy), or
 * STORE_NEWER_FORMAT where no way leads here; the file is then as it was.
 */
export function migrateFile(db: Database, from: number): void {
  const way = stepsFrom(from)
  db.exec('PRAGMA locking_mode = EXCLUSIVE')
  try {
    db.exec('PRAGMA journal_mode = DELETE')
    // EXTRA: a journal whose deletion the disk forgot would later undo what was written in WAL mode on top.
    db.exec('PRAGMA synchronous = EXTRA')
    db.exec('BEGIN EXCLUSIVE')
    for (const step of way) step(db)
    db.run('UPDATE state SET format = ?', formatVersion)
    db.exec(`PRAGMA user_version = ${formatVersion}`)
    const [wrong] = wrongDefinitions(db)
    if (wrong !== undefined) throw new Error(`the migration from format ${from} leaves another definition of ${wrong}`)
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  } finally {
    db.exec('PRAGMA locking_mode = NORMAL')
    // The next read lets the lock go.
    db.get('SELECT 1 FROM sqlite_schema')
  }
}

function stepsFrom(from: number): readonly ((db: Database) => void)[] {
  return Array.from({ length: formatVersion - from }, (_, i) => {
    const step = steps.get(from + i)
    if (step === undefined)
      throw new SluiceError('STORE_NEWER_FORMAT', `no migration leads from format ${from + i}`, {
        fix: 'Open the file with a Sluice release between the two once',
      })
    return step
  })
}

/** The error for a file of an older format that others use: with this build's format they could not go on. */
export function olderInUse(path: string, version: number, usedBy: readonly FileUser[], cause: unknown): SluiceError {
  const users = usedBy.length === 0 ? '' : ` (${usedBy.map(({ service, pid }) => `${service}, pid ${pid}`).join('; ')})`
  return new SluiceError('STORE_BUSY', `${path} has the older format ${version} and is in use${users}: it is migrated only when nobody uses it`, {
    cause,
    details: { path, version, usedBy },
    fix: 'Stop the services that run an older Sluice, then start this one again; nothing was changed',
  })
}
