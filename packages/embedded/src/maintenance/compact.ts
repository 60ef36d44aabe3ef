/**
 * Gives unused room back to the disk. SQLite can only do that by writing the database anew, which needs a moment in which
 * nobody has it open. Whether that is so is not guessed: the file is asked for exclusively, and if anybody has it open (also
 * one who only publishes) that fails at once, with no byte moved. While it lasts, others who open it wait, at most 10 s,
 * and then fail with STORE_BUSY.
 *
 * Crash-safe by SQLite's rollback journal: a death at any point leaves either the old file with a journal, which the next
 * one to open rolls back, or the new file.
 */
import { statSync } from 'node:fs'
import { type CompactReport, SluiceError } from '@sluice/core/transport'
import { usersOf } from '../lease/users.ts'
import { sqliteFailure, storeError } from '../sqlite/errors.ts'
import { checkFile } from './check.ts'
import { openExisting } from './existing-file.ts'

export async function compactFile(from: string): Promise<CompactReport> {
  // Writing a damaged file anew would spread the damage, and destroy what is needed to find its cause.
  const check = await checkFile(from)
  if (!check.sound)
    throw new SluiceError('STORE_CORRUPT', `${from} is damaged and was left as it is: ${check.findings.find(({ level }) => level === 'error')?.what}`, {
      details: { path: from },
      fix: 'Run `sluice check` on it',
    })
  const { db, path } = openExisting(from, false)
  try {
    db.exec('PRAGMA busy_timeout = 0')
    // EXTRA: a journal whose deletion the disk forgot would later undo what was written in WAL mode on top.
    db.exec('PRAGMA synchronous = EXTRA')
    const bytesBefore = bytesOf(path)
    try {
      db.exec('PRAGMA locking_mode = EXCLUSIVE')
      db.exec('PRAGMA journal_mode = DELETE')
    } catch (error) {
      if (sqliteFailure(error) !== 'busy') throw error
      db.exec('PRAGMA locking_mode = NORMAL')
      return { path, bytesBefore, bytesAfter: bytesBefore, compacted: false, usedBy: usersOf(db) }
    }
    db.exec('VACUUM')
    db.exec('PRAGMA locking_mode = NORMAL')
    // Lets the exclusive lock go.
    db.get('SELECT 1 FROM state')
    db.exec('PRAGMA journal_mode = WAL')
    return { path, bytesBefore, bytesAfter: bytesOf(path), compacted: true, usedBy: [] }
  } catch (error) {
    throw storeError(error, path)
  } finally {
    db.close()
  }
}

function bytesOf(path: string): number {
  return ['', '-wal'].reduce((sum, suffix) => sum + (statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0), 0)
}
