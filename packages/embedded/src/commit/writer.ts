/**
 * Group commit: everything that wants to write waits in one queue, in order; one transaction takes what is there, one
 * sync acknowledges all transactions that were complete before it began. Commits go on while a sync is under way.
 *
 *   queued → committed (visible to other processes) → synced (acknowledged)
 *      └→ failed (certainly not stored)     └→ unknown (the sync failed)
 *
 * The write lock is taken without waiting (busy_timeout 0): a lock held elsewhere costs retries, never the event loop.
 */
import { SluiceError } from '@sluice/core/transport'
import { nextCommit } from '../file/commit-number.ts'
import type { Database } from '../sqlite/connection.ts'
import { sqliteFailure, storeError } from '../sqlite/errors.ts'
import type { WalSync } from './wal-sync.ts'
import type { WriteJob } from './write-job.ts'

/** Messages in one transaction: bounds how long the loop and the write lock are held. */
const weightMax = 2048
/** How long a job waits for the write lock before it fails with STORE_BUSY. */
const busyMsMax = 30_000
/** A lock that is held elsewhere is free again after one short transaction: so long it is asked for in each turn of the loop, ms. */
const lockSpinMs = 0.5
/** How long a settlement may wait for its sync when nobody asked for it. */
const soonMs = 5
/** How long a settlement may wait for a transaction that it can share. */
const lazyMs = 10

interface Committed {
  readonly seq: number
  readonly job: WriteJob
}

export interface WriterEvents {
  /** A commit of this process is synced; `announce`: others want to know. */
  synced(seq: number, announce: boolean): void
  /** After each commit, for the checkpointer. */
  committed(): void
}

const announcement: WriteJob = { weight: 0, sync: 'now', announce: true, ordered: false, run: () => {}, failed: () => {} }

export class Writer {
  readonly #db: Database
  readonly #path: string
  readonly #sync: WalSync
  readonly #events: WriterEvents
  #queue: WriteJob[] = []
  // Jobs that wait for a transaction to share.
  #lazy: WriteJob[] = []
  #lazyTimer: NodeJS.Timeout | undefined
  #committed: Committed[] = []
  #scheduled = false
  #gates = 0
  #retrying = false
  #busySinceMs = 0
  #soon: NodeJS.Timeout | undefined
  #idle: (() => void)[] = []

  constructor(db: Database, path: string, sync: WalSync, events: WriterEvents) {
    this.#db = db
    this.#path = path
    this.#sync = sync
    this.#events = events
  }

  enqueue(job: WriteJob): void {
    this.#queue.push(job)
    this.#schedule()
  }

  /**
   * For a job that nobody waits for: it shares the next transaction of this process, or after a few ms one with all that
   * wait so. Ten groups that each committed by themselves wrote their pages many times over: others' latency p99 was 6 times as long.
   */
  enqueueLazily(job: WriteJob): void {
    this.#lazy.push(job)
    this.#lazyTimer ??= setTimeout(() => this.hurry(), lazyMs)
  }

  /** What waits for a transaction to share gets one now. */
  hurry(): void {
    if (this.#lazy.length === 0) return
    this.#joinLazy()
    this.#schedule()
  }

  #joinLazy(): void {
    clearTimeout(this.#lazyTimer)
    this.#lazyTimer = undefined
    this.#queue.push(...this.#lazy)
    this.#lazy = []
  }

  /** Runs one job and resolves when it is synced. */
  write(run: (db: Database, seq: number) => void, options: { readonly announce?: boolean; readonly sync?: 'now' | 'soon' | 'committed' } = {}): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const early = options.sync === 'committed'
      this.enqueue({
        weight: 1,
        sync: options.sync === 'soon' || early ? 'soon' : 'now',
        announce: options.announce ?? false,
        ordered: false,
        run,
        ...(early ? { committed: () => resolve() } : { synced: resolve }),
        failed: reject,
      })
    })
  }

  /** No transaction is begun while a gate is closed (a checkpoint restarts the WAL). */
  closeGate(): void {
    this.#gates++
  }

  openGate(): void {
    this.#gates--
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#gates > 0 || this.#retrying || this.#queue.length === 0) return
    this.#scheduled = true
    // Idle: at once, after the caller's own synchronous work. Busy: let more calls join.
    if (this.#sync.running) setImmediate(() => this.#flush())
    else queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    if (this.#gates > 0 || this.#queue.length === 0) return
    if (this.#sync.failure !== undefined) {
      this.#failAll(this.#sync.failure)
      return
    }
    if (this.#lazy.length > 0) this.#joinLazy()
    const jobs = this.#take()
    // What follows a commit stands outside of any `try`: a committed job must never be run again.
    const result = this.#attempt(jobs)
    if ('seq' in result) {
      if (result.seq !== undefined) this.#afterCommit(jobs, result.seq)
    } else if (jobs.length === 1) this.#failFirst(jobs, result.error)
    else this.#flushEach(jobs)
    this.#schedule()
    this.#settleIdle()
  }

  #take(): WriteJob[] {
    let weight = 0
    let count = 0
    while (count < this.#queue.length && (count === 0 || weight < weightMax)) weight += (this.#queue[count++] as WriteJob).weight
    const jobs = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count)
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count)
    return jobs
  }

  #attempt(jobs: readonly WriteJob[]): { readonly seq: number | undefined } | { readonly error: unknown } {
    try {
      return { seq: this.#transact(jobs) }
    } catch (error) {
      return { error }
    }
  }

  /** Commits all of them and returns the commit's number; undefined: the lock is taken, they wait in the queue again. */
  #transact(jobs: readonly WriteJob[]): number | undefined {
    const db = this.#db
    try {
      db.run('BEGIN IMMEDIATE')
    } catch (error) {
      if (sqliteFailure(error) !== 'busy') throw error
      this.#waitForLock(jobs)
      return undefined
    }
    this.#busySinceMs = 0
    db.transaction++
    try {
      const seq = nextCommit(db)
      for (const job of jobs) job.run(db, seq)
      db.run('COMMIT')
      return seq
    } catch (error) {
      if (db.inTransaction) db.run('ROLLBACK')
      for (const job of jobs) job.undone?.()
      throw error
    }
  }

  #waitForLock(jobs: readonly WriteJob[]): void {
    this.#queue = [...jobs, ...this.#queue]
    const nowMs = performance.now()
    if (this.#busySinceMs === 0) this.#busySinceMs = nowMs
    if (nowMs - this.#busySinceMs > busyMsMax) {
      this.#busySinceMs = 0
      this.#failAll(
        new SluiceError('STORE_BUSY', `another process has held the write lock of ${this.#path} for ${busyMsMax} ms`, {
          fix: 'Find the transaction that stays open on this file, and end it',
        }),
      )
      return
    }
    this.#retrying = true
    const retry = (): void => {
      this.#retrying = false
      this.#schedule()
    }
    if (nowMs - this.#busySinceMs < lockSpinMs) setImmediate(retry)
    else setTimeout(retry, 1)
  }

  // One of several failed: each alone, in order, so that only the culprit pays.
  #flushEach(jobs: readonly WriteJob[]): void {
    for (let i = 0; i < jobs.length; i++) {
      const job = jobs[i] as WriteJob
      const result = this.#attempt([job])
      if ('error' in result) {
        this.#failFirst(jobs.slice(i), result.error)
        if (job.ordered) {
          this.#queue = [...jobs.slice(i + 1).filter((other) => !other.ordered), ...this.#queue]
          return
        }
      } else if (result.seq === undefined) {
        this.#queue = [...this.#queue.slice(0, 1), ...jobs.slice(i + 1), ...this.#queue.slice(1)]
        return
      } else this.#afterCommit([job], result.seq)
    }
  }

  /** Fails the first job; producers' jobs behind an ordered one must be sent again behind it. */
  #failFirst(jobs: readonly WriteJob[], error: unknown): void {
    const first = jobs[0] as WriteJob
    const failure = storeError(error, this.#path)
    first.failed(failure, 'failed')
    if (!first.ordered) return
    const behind = [...jobs.slice(1), ...this.#queue].filter((job) => job.ordered)
    this.#queue = this.#queue.filter((job) => !job.ordered)
    for (const job of behind) job.failed(new SluiceError('NOT_SENT', 'an earlier message could not be stored', { cause: failure }), 'failed')
  }

  #failAll(error: SluiceError): void {
    const jobs = this.#queue
    this.#queue = []
    for (const job of jobs) job.failed(error, 'failed')
  }

  #afterCommit(jobs: readonly WriteJob[], seq: number): void {
    this.#sync.known(seq)
    let now = 0
    for (const job of jobs) {
      job.committed?.(seq)
      this.#committed.push({ seq, job })
      if (job.sync === 'now') now++
    }
    if (now > 0) this.#sync.request(now === 1 && this.#queue.length === 0)
    else
      this.#soon ??= setTimeout(() => {
        this.#soon = undefined
        // Another process's sync, after its own commit, covered these as well, where its ring was heard.
        if (this.#committed.length > 0) this.#sync.request(false)
      }, soonMs)
    this.#events.committed()
  }

  /** A commit of another connection is to be synced and announced. */
  committedElsewhere(seq: number): void {
    this.#committed.push({ seq, job: announcement })
    this.#sync.request(false)
    if (seq <= this.#sync.syncedSeq) this.onSynced(this.#sync.syncedSeq)
  }

  /** Called by WalSync. */
  onSynced(seq: number): void {
    let count = 0
    let announce = false
    while (count < this.#committed.length && (this.#committed[count] as Committed).seq <= seq) {
      if ((this.#committed[count] as Committed).job.announce) announce = true
      count++
    }
    const done = this.#committed
    this.#committed = count === done.length ? [] : done.slice(count)
    // The doorbell first: another process wakes while this one tells its callers.
    this.#events.synced(seq, announce)
    for (let i = 0; i < count; i++) (done[i] as Committed).job.synced?.()
    this.#settleIdle()
  }

  /** Called by WalSync: nothing that was committed and not synced may be called durable. */
  onSyncFailed(error: SluiceError): void {
    const jobs = this.#committed
    this.#committed = []
    for (const { job } of jobs) job.failed(error, 'unknown')
    this.#failAll(error)
    this.#settleIdle()
  }

  /** Syncs what is committed without waiting for the timer. */
  syncNow(): void {
    this.#sync.request(false)
  }

  /** Resolves when everything enqueued so far is synced or failed. */
  async drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#lazy.length > 0 || this.#committed.length > 0) {
      this.hurry()
      this.#sync.request(false)
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
    clearTimeout(this.#soon)
    this.#soon = undefined
  }

  #settleIdle(): void {
    if (this.#idle.length === 0 || this.#queue.length > 0 || this.#committed.length > 0) return
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}
