/** Folder and file as the engine needs them: private, and really there after a power cut. */
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { SluiceError, toError } from '@sluice/core/transport'
import { outOfDescriptors } from '../sqlite/errors.ts'

/** Makes the entries of a folder durable. Not every platform lets a folder be opened; then there is nothing to do. */
export function syncFolder(folder: string): void {
  let fd: number
  try {
    fd = openSync(folder, 'r')
  } catch {
    return
  }
  try {
    fsyncSync(fd)
  } catch {
    // Windows, and some FUSE file systems: directory entries are theirs to keep.
  } finally {
    closeSync(fd)
  }
}

/** Creates the folder (0700) if it is missing, durably: each new folder's parent is synced. */
export function createFolder(folder: string): void {
  if (existsSync(folder)) return
  const parent = dirname(folder)
  if (parent !== folder) createFolder(parent)
  try {
    // Level by level: with `recursive` Node never returns where a parent exists and mkdir says ENOENT (/proc).
    mkdirSync(folder, 0o700)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(folder)) throw error
  }
  syncFolder(parent)
}

/**
 * Creates an empty file (0600) if there is none; SQLite gives `-wal` and `-shm` the same mode. A file that exists is
 * never opened here: closing a second descriptor of a database in use would drop its POSIX locks. Returns whether it
 * was created.
 */
export function createFile(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw fileError(error, path)
  }
}

/** Takes group and others their rights to a bus file of ours that has them. */
export function restrictFile(path: string): void {
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
  } catch {
    // Not ours to change: whoever owns the file decided.
  }
}

/** The typed error for a failed file operation. */
export function fileError(error: unknown, path: string): SluiceError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const details = { path }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new SluiceError('STORE_READ_ONLY', `${path} cannot be written`, {
      cause: error,
      details,
      fix: 'Give the process write permission for the file and its folder',
    })
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new SluiceError('STORE_FULL', `there is no room for ${path}`, { cause: error, details, fix: 'Make room on the disk' })
  if (code === 'EMFILE' || code === 'ENFILE') return outOfDescriptors(path, toError(error))
  const why = typeof code === 'string' ? ` (${code})` : ''
  return new SluiceError('TRANSPORT_FAILED', `${path} cannot be opened${why}`, {
    cause: error,
    details,
    fix: 'Name a file in a folder on a local disk that exists or can be created',
  })
}
