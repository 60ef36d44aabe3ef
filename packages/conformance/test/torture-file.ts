import { DatabaseSync } from 'node:sqlite'
import type { BeginTransaction } from '@sluice/conformance'
import Database from 'better-sqlite3'

interface Connection {
  exec(sql: string): unknown
  close(): unknown
}

const begin =
  (open: (path: string) => Connection): BeginTransaction =>
  async (url) => {
    const transaction = open(url.slice('file:'.length))
    transaction.exec('PRAGMA busy_timeout = 5000')
    transaction.exec('BEGIN IMMEDIATE')
    const end = (how: 'COMMIT' | 'ROLLBACK') => (): void => {
      try {
        transaction.exec(how)
      } finally {
        transaction.close()
      }
    }
    return { transaction, commit: end('COMMIT'), rollback: end('ROLLBACK') }
  }

/** A transaction of the application on the bus file. */
export const beginTransaction: BeginTransaction = begin((path) => new DatabaseSync(path))
/** … through the application's other library. */
export const beginOtherTransaction: BeginTransaction = begin((path) => new Database(path))

/** The application's other library. */
export const otherLibrary = (path: string): unknown => new Database(path)
