import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { isSluiceError, SluiceError, toError } from '@sluice/core/transport'

/** What an SQLite failure means to the engine. */
export type SqliteFailure = 'busy' | 'full' | 'read-only' | 'corrupt' | 'io' | 'cannot-open' | 'not-a-database' | 'other'

// Primary result codes, https://sqlite.org/rescode.html
const byNumber: Readonly<Record<number, SqliteFailure>> = {
  5: 'busy',
  6: 'busy',
  8: 'read-only',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  14: 'cannot-open',
  26: 'not-a-database',
}
const byName: readonly (readonly [string, SqliteFailure])[] = [
  ['SQLITE_BUSY', 'busy'],
  ['SQLITE_LOCKED', 'busy'],
  ['SQLITE_READONLY', 'read-only'],
  ['SQLITE_IOERR', 'io'],
  ['SQLITE_CORRUPT', 'corrupt'],
  ['SQLITE_FULL', 'full'],
  ['SQLITE_CANTOPEN', 'cannot-open'],
  ['SQLITE_NOTADB', 'not-a-database'],
]

/** SQLite says "cannot open" for both: a file that may not be opened, and a process that may open no more. */
function descriptorsLeft(): boolean {
  try {
    closeSync(openSync(devNull, 'r'))
    return true
  } catch {
    return false
  }
}

/** The error for a process, or a machine, that may open no more files. */
export function outOfDescriptors(path: string, cause: Error): SluiceError {
  return new SluiceError('TRANSPORT_FAILED', `no file descriptors are left to open ${path} and what belongs to it`, {
    cause,
    details: { path },
    fix: 'Find what keeps files or connections open in this process, or raise its limit (ulimit -n); the bus file was not touched',
  })
}

/** Classifies what node:sqlite (numeric `errcode`) or better-sqlite3 (textual `code`) threw. */
export function sqliteFailure(error: unknown): SqliteFailure {
  if (!(error instanceof Error)) return 'other'
  if ('errcode' in error && typeof error.errcode === 'number') return byNumber[error.errcode & 0xff] ?? 'other'
  if ('code' in error && typeof error.code === 'string') {
    const code = error.code
    return byName.find(([name]) => code.startsWith(name))?.[1] ?? 'other'
  }
  return 'other'
}

/** The typed error for whatever an SQLite call threw, with what a person can do about it. */
export function storeError(error: unknown, path: string): SluiceError {
  if (isSluiceError(error)) return error
  const cause = toError(error)
  const details = { path }
  switch (sqliteFailure(error)) {
    case 'busy':
      return new SluiceError('STORE_BUSY', `the bus file ${path} is locked by another process`, {
        cause,
        details,
        fix: 'Find the process that keeps a transaction open on it, and let it commit or end it',
      })
    case 'full':
      return new SluiceError('STORE_FULL', `there is no room for the bus file ${path}`, {
        cause,
        details,
        fix: 'Make room on the disk or shorten the retention; publishing goes on by itself then',
      })
    case 'read-only':
      return new SluiceError('STORE_READ_ONLY', `the bus file ${path} cannot be written`, {
        cause,
        details,
        fix: 'Give the process write permission for the file and its folder',
      })
    case 'corrupt':
      return new SluiceError('STORE_CORRUPT', `the bus file ${path} is damaged`, {
        cause,
        details,
        fix: 'Stop all services that use it and restore it from a backup; keep the damaged file for analysis',
      })
    case 'not-a-database':
      return new SluiceError('STORE_NOT_A_BUS', `${path} is not a Sluice bus file`, {
        cause,
        details,
        fix: 'Point the URL at another file; this one was not touched',
      })
    case 'cannot-open':
      if (!descriptorsLeft()) return outOfDescriptors(path, cause)
      return new SluiceError('STORE_READ_ONLY', `the bus file ${path} cannot be opened`, {
        cause,
        details,
        fix: 'Check that its folder exists and that the process may read and write there',
      })
    case 'io':
      return new SluiceError('TRANSPORT_FAILED', `the disk under the bus file ${path} failed: ${cause.message}`, {
        cause,
        details,
        fix: 'Check the disk; what was not confirmed may have to be sent again',
      })
    case 'other':
      return new SluiceError('TRANSPORT_FAILED', `the bus file ${path} cannot be used: ${cause.message}`, { cause, details })
  }
}
