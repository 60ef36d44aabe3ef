/**
 * One lease a process: a row with a deadline in machine-wide monotonic time, renewed by heartbeat. Members of groups hang
 * on it, partitions hang on members. This is where a lease expires: `expire()` removes processes that are past their
 * deadline (or certainly dead), with their members; a partition whose owner is no member any more may be taken over.
 *
 * A wrong verdict costs a redelivery, never order or a lost message: settlement is fenced by (owner, epoch).
 */
import type { BusFile } from '../bus-file.ts'
import type { Database } from '../sqlite/connection.ts'
import { currentProcess, isCertainlyDead, machineTime, type ProcessIdentity } from './machine.ts'

interface ProcessRow {
  readonly id: number
  readonly instance: string
  readonly boot_id: string
  readonly pid_namespace: string
  readonly pid: number
  readonly pid_started: string
  readonly deadline_ms: number
}

export class ProcessLease {
  readonly leaseMs: number
  readonly #bus: BusFile
  readonly #identity: ProcessIdentity = currentProcess()
  readonly #nowMs: () => number
  #id: number | undefined
  #deadlineMs = 0
  #renewal: Promise<void> | undefined

  constructor(bus: BusFile, leaseMs: number) {
    this.#bus = bus
    this.leaseMs = leaseMs
    this.#nowMs = machineTime(bus.clock)
  }

  /** Row of this process; undefined until the first member joins. */
  get processId(): number | undefined {
    return this.#id
  }

  /** Whether others may have taken over: nothing is handed to handlers then, until a renewal says who owns what. */
  get overdue(): boolean {
    return this.#id !== undefined && this.#nowMs() >= this.#deadlineMs
  }

  /** Called at once where it turns out that others removed this process, and its members with it. Must not throw, nor write. */
  removed: () => void = () => undefined

  /** Inside a write transaction: this process's row, made or made again. */
  ensure(db: Database): number {
    const deadlineMs = this.#nowMs() + this.leaseMs
    if (this.#id !== undefined && this.#write(db, this.#id, deadlineMs)) {
      this.#deadlineMs = deadlineMs
      return this.#id
    }
    // Before there is a new lease: the members of the old one still have what they had.
    if (this.#id !== undefined) this.removed()
    const { bootId, pidNamespace, pid, pidStarted } = this.#identity
    const { id } = db.one<{ id: number }>(
      'INSERT INTO process (instance, service, boot_id, pid_namespace, pid, pid_started, deadline_ms) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id',
      this.#bus.context.instanceId,
      this.#bus.context.service,
      bootId,
      pidNamespace,
      pid,
      pidStarted,
      deadlineMs,
    )
    this.#id = id
    this.#deadlineMs = deadlineMs
    return id
  }

  /** false: there is no such row. The id alone does not tell: that of an undone transaction may have become another's. */
  #write(db: Database, id: number, deadlineMs: number): boolean {
    return db.run('UPDATE process SET deadline_ms = ? WHERE id = ? AND instance = ?', deadlineMs, id, this.#bus.context.instanceId) === 1
  }

  /**
   * Renews the lease; resolves when it did, or could not (disk full): `overdue` tells. Where others removed this process,
   * `removed` was called.
   */
  renew(): Promise<void> {
    const id = this.#id
    if (id === undefined) return Promise.resolve()
    this.#renewal ??= this.#renew(id).finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  async #renew(id: number): Promise<void> {
    let found = false
    const deadlineMs = this.#nowMs() + this.leaseMs
    try {
      await this.#bus.writer.write(
        (db) => {
          found = this.#write(db, id, deadlineMs)
        },
        { sync: 'committed' },
      )
    } catch {
      return
    }
    if (found) this.#deadlineMs = deadlineMs
    // Unless it has joined again meanwhile.
    else if (this.#id === id) {
      this.removed()
      this.#id = undefined
    }
  }

  /** Processes that are gone: past their deadline, certainly dead, or of an earlier boot (a deadline too far ahead). */
  gone(): readonly number[] {
    const nowMs = this.#nowMs()
    return this.#bus.db
      .all<ProcessRow>('SELECT id, instance, boot_id, pid_namespace, pid, pid_started, deadline_ms FROM process')
      .filter((row) => !(row.id === this.#id && row.instance === this.#bus.context.instanceId) && this.#isGone(row, nowMs))
      .map((row) => row.id)
  }

  #isGone(row: ProcessRow, nowMs: number): boolean {
    // A lease may be longer in another version's settings; an hour ahead can only be another boot's clock.
    if (row.deadline_ms <= nowMs || row.deadline_ms > nowMs + 3_600_000) return true
    return isCertainlyDead({ bootId: row.boot_id, pidNamespace: row.pid_namespace, pid: row.pid, pidStarted: row.pid_started }, this.#identity)
  }

  /** Inside a write transaction: removes what `gone` found, unless it renewed meanwhile, with its members. Returns their groups. */
  expire(db: Database, processIds: readonly number[]): readonly number[] {
    const nowMs = this.#nowMs()
    const groups = new Set<number>()
    for (const id of processIds) {
      const row = db.get<ProcessRow>('SELECT id, instance, boot_id, pid_namespace, pid, pid_started, deadline_ms FROM process WHERE id = ?', id)
      if (row === undefined || !this.#isGone(row, nowMs)) continue
      for (const member of db.all<{ group_id: number }>('DELETE FROM member WHERE process_id = ? RETURNING group_id', id)) groups.add(member.group_id)
      db.run('DELETE FROM process WHERE id = ?', id)
    }
    return [...groups]
  }

  /** Inside a write transaction: this process leaves, with members that could not leave before. Returns their groups. */
  leave(db: Database): readonly number[] {
    const id = this.#id
    if (id === undefined) return []
    this.#id = undefined
    if (db.run('DELETE FROM process WHERE id = ? AND instance = ?', id, this.#bus.context.instanceId) === 0) return []
    return db.all<{ group_id: number }>('DELETE FROM member WHERE process_id = ? RETURNING group_id', id).map((member) => member.group_id)
  }
}
