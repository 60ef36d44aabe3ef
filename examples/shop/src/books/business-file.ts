/**
 * A service's own SQLite file: its business tables, and beside them, until the library's outbox and inbox replace them,
 *
 * - `handled`: ids of the messages whose effects are in this file. Written in the same transaction as the effects, so a
 *   message that comes again (after kill -9, say) changes nothing.
 * - `to_send`: messages that the effects ask for, in the same transaction, too. `books/relay.ts` sends them and deletes
 *   the rows after the durable confirm. Their ids derive from their cause, so sending one twice is harmless.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** A message that waits in `to_send`. */
export interface OutgoingRow {
  /** Order of writing; the relay keeps it. */
  readonly seq: number
  readonly id: string
  /** Name of the contract. */
  readonly contract: string
  readonly data: unknown
  /** ms since the epoch; 0: at once. */
  readonly dueAtMs: number
  /** Not a message: the delayed message with this id is no longer wanted. */
  readonly callOff: boolean
}

/** What a transaction can do beside its own SQL. */
export interface Effects {
  /** Asks for a message. `id` must derive from the cause. */
  emit(contract: { readonly name: string }, data: unknown, id: string, delayMs?: number): void
  /** Calls a delayed message off, if it still waits. */
  callOff(contract: { readonly name: string }, id: string): void
  /** Compares a counter that may only rise within a key; what falls is written down as out of order. */
  sawStep(stream: string, key: string, step: number): void
}

const ownTables = `
  CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS to_send (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, contract TEXT NOT NULL, data TEXT NOT NULL, due_at_ms INTEGER NOT NULL, call_off INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS last_step (stream TEXT, key TEXT, step INTEGER NOT NULL, PRIMARY KEY (stream, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS out_of_order (stream TEXT NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL, after INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS redelivered (id TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS price_list_heard (instance TEXT NOT NULL, version INTEGER NOT NULL, surcharge_percent INTEGER NOT NULL);
`

/** See the head of this file. All methods are synchronous; one instance a process. */
export class BusinessFile implements Disposable {
  readonly db: DatabaseSync
  readonly #statements: Map<string, StatementSync> = new Map()
  #toSend = 0

  /** Opens or creates the file at `path` with the service's own `schema` (idempotent SQL). */
  constructor(path: string, schema: string) {
    this.db = new DatabaseSync(path)
    // FULL: an effect must not be lost by a power cut after the bus has been told that its message is done.
    this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA cache_size = -32000;')
    this.db.exec(ownTables)
    this.db.exec(schema)
    this.#toSend = Number(this.get('SELECT count(*) AS n FROM to_send')?.n)
  }

  /** Messages that wait to be sent. */
  get toSendCount(): number {
    return this.#toSend
  }

  /** Runs a statement, prepared once. */
  run(sql: string, ...values: (string | number | null)[]): void {
    this.#statement(sql).run(...values)
  }

  /** First row, or undefined. */
  get(sql: string, ...values: (string | number | null)[]): Record<string, string | number | null> | undefined {
    return this.#statement(sql).get(...values) as Record<string, string | number | null> | undefined
  }

  /** All rows. */
  all(sql: string, ...values: (string | number | null)[]): Record<string, string | number | null>[] {
    return this.#statement(sql).all(...values) as Record<string, string | number | null>[]
  }

  /** Runs `work` in one transaction; what throws rolls all of it back. */
  transact<T>(work: () => T): T {
    this.db.exec('BEGIN IMMEDIATE')
    const before = this.#toSend
    try {
      const result = work()
      this.db.exec('COMMIT')
      return result
    } catch (error) {
      this.#toSend = before
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      throw error
    }
  }

  /** Whether the message was handled before; `reply` is what it asked to be sent, where that was kept. */
  wasHandled(id: string): { readonly reply: string | null } | undefined {
    return this.get('SELECT reply FROM handled WHERE id = ?', id) as { reply: string | null } | undefined
  }

  /** Notes a message as handled; inside the transaction of its effects. */
  markHandled(id: string, reply: string | null): void {
    this.run('INSERT INTO handled (id, reply) VALUES (?, ?)', id, reply)
  }

  /** Counts a message that came again, apart from its effects. */
  noteRedelivery(id: string): void {
    this.run('INSERT INTO redelivered (id, times) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1', id)
  }

  /** Puts a message into `to_send`; inside a transaction. */
  enqueue(row: Omit<OutgoingRow, 'seq'>): void {
    this.run(
      'INSERT INTO to_send (id, contract, data, due_at_ms, call_off) VALUES (?, ?, ?, ?, ?)',
      row.id,
      row.contract,
      JSON.stringify(row.data),
      row.dueAtMs,
      row.callOff ? 1 : 0,
    )
    this.#toSend++
  }

  /** The oldest messages to send. */
  nextToSend(limit: number): readonly OutgoingRow[] {
    return this.all('SELECT seq, id, contract, data, due_at_ms, call_off FROM to_send ORDER BY seq LIMIT ?', limit).map((row) => ({
      seq: Number(row.seq),
      id: String(row.id),
      contract: String(row.contract),
      data: JSON.parse(String(row.data)),
      dueAtMs: Number(row.due_at_ms),
      callOff: row.call_off === 1,
    }))
  }

  /** Forgets messages that are confirmed. */
  sent(seqs: readonly number[]): void {
    if (seqs.length === 0) return
    this.transact(() => {
      for (const seq of seqs) this.run('DELETE FROM to_send WHERE seq = ?', seq)
    })
    this.#toSend -= seqs.length
  }

  /** See {@link Effects.sawStep}. */
  sawStep(stream: string, key: string, step: number): void {
    const last = Number(this.get('SELECT step FROM last_step WHERE stream = ? AND key = ?', stream, key)?.step ?? 0)
    if (step <= last) this.run('INSERT INTO out_of_order (stream, key, step, after) VALUES (?, ?, ?, ?)', stream, key, step, last)
    else this.run('INSERT INTO last_step (stream, key, step) VALUES (?, ?, ?) ON CONFLICT (stream, key) DO UPDATE SET step = excluded.step', stream, key, step)
  }

  /** Closes the file. */
  close(): void {
    this.#statements.clear()
    if (this.db.isOpen) this.db.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
