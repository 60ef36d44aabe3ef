/**
 * The part of an SQLite connection that the engine uses: satisfied by `DatabaseSync` of node:sqlite and by `Database` of
 * better-sqlite3, so that one library per process and file (design.md §7) can be the application's choice.
 */
export interface SqliteConnection {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
  /** node:sqlite: whether a transaction is open. */
  readonly isTransaction?: boolean
  /** better-sqlite3: the same. */
  readonly inTransaction?: boolean
}

/** A prepared statement; both libraries' satisfy it. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint }
  get(...values: SqliteValue[]): unknown
  all(...values: SqliteValue[]): unknown[]
}

/** What is bound to a statement. */
export type SqliteValue = string | number | null | Uint8Array

/** Opens a connection to a file that exists or is to be created. Given as `connect({ sqlite })`. */
export type SqliteFactory = (path: string) => SqliteConnection

/** A connection with its prepared statements. Every statement is run to its end at once: none stays open over an await. */
export class Database {
  readonly connection: SqliteConnection
  /** Number of the write transaction that is or was open last: several jobs share one, and one may be repeated. */
  transaction = 0
  readonly #statements: Map<string, SqliteStatement> = new Map()

  constructor(connection: SqliteConnection) {
    this.connection = connection
  }

  #statement(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.connection.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** better-sqlite3 takes `?1` for a parameter named `1`, which it binds from an object only. */
  #bound(sql: string, values: SqliteValue[]): SqliteValue[] {
    if (this.connection.inTransaction === undefined || !/\?\d/.test(sql)) return values
    return [Object.fromEntries(values.map((value, index) => [index + 1, value])) as unknown as SqliteValue]
  }

  exec(sql: string): void {
    this.connection.exec(sql)
  }

  /** Returns the number of rows changed. */
  run(sql: string, ...values: SqliteValue[]): number {
    return Number(this.#statement(sql).run(...this.#bound(sql, values)).changes)
  }

  /** The first row; the caller names its columns. */
  get<Row>(sql: string, ...values: SqliteValue[]): Row | undefined {
    // better-sqlite3 and node:sqlite agree on undefined for "no row".
    return this.#statement(sql).get(...this.#bound(sql, values)) as Row | undefined
  }

  /** Like `get`, for statements that always return a row. */
  one<Row>(sql: string, ...values: SqliteValue[]): Row {
    const row = this.get<Row>(sql, ...values)
    if (row === undefined) throw new Error(`no row: ${sql}`)
    return row
  }

  all<Row>(sql: string, ...values: SqliteValue[]): Row[] {
    return this.#statement(sql).all(...this.#bound(sql, values)) as Row[]
  }

  /** Runs `work`, which only reads, in one read transaction: it sees one state of the file. */
  snapshot<T>(work: () => T): T {
    this.run('BEGIN')
    try {
      return work()
    } finally {
      // A read that failed may have ended the transaction.
      if (this.inTransaction) this.run('COMMIT')
    }
  }

  get inTransaction(): boolean {
    return this.connection.isTransaction ?? this.connection.inTransaction ?? false
  }

  close(): void {
    this.#statements.clear()
    this.connection.close()
  }
}
