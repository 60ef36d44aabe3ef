import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Database, type SqliteConnection, type SqliteValue } from './connection.ts'

test('better-sqlite3 gets the values of numbered parameters by name, those of plain ones in order', () => {
  const bound: SqliteValue[][] = []
  const record = (...values: SqliteValue[]): { changes: number } => {
    bound.push(values)
    return { changes: 1 }
  }
  const connection: SqliteConnection = {
    inTransaction: false,
    exec: () => undefined,
    close: () => undefined,
    prepare: () => ({ run: record, get: record, all: (...values) => [record(...values)] }),
  }
  const db = new Database(connection)
  db.run('UPDATE a SET x = ?2 WHERE id = ?1', 7, 'x')
  db.get('SELECT ?1 + ?1', 3)
  db.all('SELECT ?, ?', 1, 2)
  assert.deepEqual(bound, [[{ 1: 7, 2: 'x' }], [{ 1: 3 }], [1, 2]])
})
