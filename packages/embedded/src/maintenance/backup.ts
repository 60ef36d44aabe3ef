/**
 * A copy of the bus file while it is in use, by SQLite's backup API. The source is held at one commit by an open read, so
 * that the copy begins once and ends: without it every commit of another process would start the copy over. Meanwhile the
 * write-ahead log cannot be reset; a backup that takes as long as 256 MiB of publishing makes publishers wait.
 *
 * The copy is written under another name, synced, checked and only then renamed: a name that is there is a whole backup.
 */
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { type BackupReport, newId, SluiceError } from '@sluice/core/transport'
import { readBell, verifyBell } from '../doorbell/bell-file.ts'
import { createFile, fileError, syncFolder } from '../file/file-system.ts'
import { Database } from '../sqlite/connection.ts'
import { storeError } from '../sqlite/errors.ts'
import { checkFile } from './check.ts'
import { openExisting } from './existing-file.ts'

/** Pages a step: between two the event loop goes on. */
const pagesPerStep = 4096

export async function backupFile(from: string, to: string): Promise<BackupReport> {
  const target = resolve(to)
  if (existsSync(target)) throw occupied(target)
  const part = `${target}.part-${newId()}`
  const source = openExisting(from, true)
  let open = true
  try {
    // Ours alone from its first byte on.
    createFile(part)
    await copy(source.db, source.path, part)
    source.db.close()
    open = false
    finish(part)
    const check = await checkFile(part)
    if (!check.sound)
      throw new SluiceError('STORE_CORRUPT', `the copy of ${from} is damaged: ${check.findings.find(({ level }) => level === 'error')?.what}`, {
        details: { path: from },
        fix: 'Run `sluice check` on the bus file; earlier backups were left as they are',
      })
    for (const suffix of ['-wal', '-shm']) rmSync(`${part}${suffix}`, { force: true })
    // A link does not replace a file that came meanwhile, as a rename would.
    linkSync(part, target)
    syncFolder(dirname(target))
    return { path: source.path, to: target, bytes: statSync(target).size, check: { ...check, path: target } }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw occupied(target)
    throw error instanceof Error && 'syscall' in error ? fileError(error, target) : storeError(error, target)
  } finally {
    if (open) source.db.close()
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${part}${suffix}`, { force: true })
  }
}

async function copy(db: Database, path: string, part: string): Promise<void> {
  const { backup, DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
  if (!(db.connection instanceof DatabaseSync)) throw new Error('not a connection of node:sqlite')
  // A copy has no doorbell: that a -wal of another bus stands beside the file, or commits are missing, is told here or never.
  const bell = readBell(path)
  db.exec('BEGIN')
  const state = db.one<{ bus_id: string; commit_seq: number }>('SELECT bus_id, commit_seq FROM state')
  verifyBell(path, bell, state.bus_id, state.commit_seq)
  await backup(db.connection, part, { rate: pagesPerStep })
  db.exec('COMMIT')
}

/** Nobody is a member of a copy; and it is one file, without a log beside it. */
function finish(part: string): void {
  const { DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
  const copy = new Database(new DatabaseSync(part))
  try {
    copy.exec('PRAGMA synchronous = FULL')
    copy.exec('PRAGMA journal_mode = DELETE')
  } finally {
    copy.close()
  }
  chmodSync(part, 0o600)
  const fd = openSync(part, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function occupied(target: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `${target} exists already`, { fix: 'Name a file that does not exist; a backup never overwrites one' })
}
