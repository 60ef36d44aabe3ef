import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { SqliteFactory, SqliteValue } from '@sluice/embedded'

/** An SQLite library whose statements fail with "disk is full" where `fails` says so. */
export interface FailingSqlite {
  readonly sqlite: SqliteFactory
  /** Told each statement's text. */
  fails: (sql: string) => boolean
  /** How many failed. */
  failures: number
}

/** See {@link FailingSqlite}. */
export function failingSqlite(): FailingSqlite {
  const failing: FailingSqlite = {
    fails: () => false,
    failures: 0,
    sqlite: (path) => {
      const connection = new DatabaseSync(path)
      const check = (sql: string): void => {
        if (!failing.fails(sql)) return
        failing.failures++
        throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
      }
      const checked =
        (sql: string, statement: StatementSync, call: 'run' | 'get' | 'all') =>
        (...values: SqliteValue[]) => {
          check(sql)
          return statement[call](...values) as never
        }
      return {
        exec: (sql) => connection.exec(sql),
        prepare: (sql) => {
          const statement = connection.prepare(sql)
          return { run: checked(sql, statement, 'run'), get: checked(sql, statement, 'get'), all: checked(sql, statement, 'all') }
        },
        close: () => connection.close(),
        get isTransaction() {
          return connection.isTransaction
        },
      }
    },
  }
  return failing
}
