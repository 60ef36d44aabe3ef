/**
 * Makes commits durable: `fdatasync` of the `-wal` file, off the loop. A sync covers every commit, of any process, that
 * was complete before the sync began (all processes write one WAL file), and nothing later.
 *
 * - No lock lives on `-wal`: a second descriptor of it is safe (design.md §7). It is opened after the connection's
 *   first read and closed before the connection; after each sync the path must still lead to it.
 * - A reset of the WAL by a checkpoint is safe: the checkpoint synced WAL and database before.
 * - A failed sync is final: the kernel may have dropped the pages. Nothing counts as synced again until a checkpoint has
 *   moved everything into the database file and synced that.
 */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, openSync, readlinkSync, statSync } from 'node:fs'
import { SluiceError, toError } from '@sluice/core/transport'
import { extendWal, type WalSpace, walSpace } from './wal-space.ts'

/** On the loop only while syncs take less than this: two thread hops cost 30 to 60 µs, a stall costs everybody. */
const onLoopMsMax = 0.5
const slowShareMax = 0.3

/** The system calls, so that a test can delay or fail them. */
export interface SyncCalls {
  sync(fd: number, done: (error: Error | null) => void): void
  syncNow(fd: number): void
}

export const systemSyncCalls: SyncCalls = { sync: fdatasync, syncNow: fdatasyncSync }

/** The database file's name is looked at only so often: a look costs as much as a small sync's share of a message. */
const lookEveryMs = 100

export class WalSync {
  readonly #path: string
  readonly #walPath: string
  #fileNumber: number | undefined
  #lookAgainMs = 0
  readonly #calls: SyncCalls
  readonly #onSynced: (seq: number) => void
  readonly #onFailed: (error: SluiceError) => void
  #fd: number | undefined
  /** Where the kernel said that the descriptor's file was when it was opened; undefined where it does not say. */
  #openedAs: string | undefined
  #knownSeq = 0
  #syncedSeq = 0
  #running = false
  #wanted = false
  #failed: SluiceError | undefined
  // Share of slow ones among recent syncs; starts pessimistic, so that the first ones run off the loop. A share and no mean:
  // one sync of 20 ms among fast ones says nothing about the next.
  #slowShare = 1
  #idle: (() => void) | undefined

  constructor(path: string, calls: SyncCalls, onSynced: (seq: number) => void, onFailed: (error: SluiceError) => void) {
    this.#path = path
    this.#walPath = `${path}-wal`
    this.#calls = calls
    this.#onSynced = onSynced
    this.#onFailed = onFailed
  }

  /** Highest commit known to be on the disk. */
  get syncedSeq(): number {
    return this.#syncedSeq
  }

  /** Set while syncs cannot be trusted. */
  get failure(): SluiceError | undefined {
    return this.#failed
  }

  get running(): boolean {
    return this.#running
  }

  /** Opens the WAL; the connection must have read before (that creates the file). */
  open(): void {
    this.#fileNumber ??= statSync(this.#path).ino
    this.#fd = openSync(this.#walPath, 'r+')
    this.#openedAs = kernelPath(this.#fd)
  }

  /** A commit is known to be complete, ours or one that was read. */
  known(seq: number): void {
    if (seq > this.#knownSeq) this.#knownSeq = seq
  }

  /** Somebody else (the doorbell, a checkpoint) vouches for all commits up to `seq`. */
  vouched(seq: number): void {
    if (seq > this.#knownSeq) this.#knownSeq = seq
    if (seq <= this.#syncedSeq || this.#failed !== undefined) return
    this.#syncedSeq = seq
    this.#onSynced(seq)
  }

  /**
   * Syncs everything known, soon. `alone`: one caller waits and nothing else goes on, so the fastest way is wanted: on
   * the loop, if the disk has been fast lately.
   */
  request(alone: boolean): void {
    if (this.#failed !== undefined || this.#fd === undefined || this.#knownSeq <= this.#syncedSeq) return
    if (this.#running) {
      this.#wanted = true
      return
    }
    if (alone && this.#slowShare < slowShareMax) this.#syncOnLoop(this.#fd)
    else this.#syncOffLoop(this.#fd)
  }

  #syncOnLoop(fd: number): void {
    const seq = this.#knownSeq
    const startMs = performance.now()
    let failure: Error | null = null
    try {
      this.#calls.syncNow(fd)
    } catch (error) {
      failure = toError(error)
    }
    this.#finished(fd, seq, performance.now() - startMs, failure)
  }

  #syncOffLoop(fd: number): void {
    const seq = this.#knownSeq
    const startMs = performance.now()
    this.#running = true
    this.#wanted = false
    this.#calls.sync(fd, (error) => {
      this.#running = false
      this.#finished(fd, seq, performance.now() - startMs, error)
      if (this.#wanted) this.request(false)
      if (!this.#running) this.#idle?.()
    })
  }

  #finished(fd: number, seq: number, tookMs: number, error: Error | null): void {
    this.#slowShare += ((tookMs < onLoopMsMax ? 0 : 1) - this.#slowShare) / 8
    const failure = error ?? this.#moved(fd)
    if (failure !== null) {
      this.#failed = new SluiceError('STORE_SYNC_FAILED', `the bus file's log could not be written to the disk: ${failure.message}`, {
        cause: failure,
        details: { replaced: error === null },
        fix:
          error === null
            ? 'Restart this service, and find who deletes or replaces the files of a bus in use (a second SQLite library does, when it closes its connection)'
            : 'Check the disk and its free space; publishing goes on by itself once a checkpoint succeeds',
      })
      this.#onFailed(this.#failed)
      return
    }
    if (seq <= this.#syncedSeq) return
    this.#syncedSeq = seq
    this.#onSynced(seq)
  }

  // Deleting the files of a live bus is outside the promise, but must not be taken for durable.
  // The kernel's own path of the descriptor is asked first: who asks for a file's times (any `stat`) makes Linux write new
  // ones with the next write, and the sync after that takes 140 µs instead of 95.
  #moved(fd: number): Error | null {
    try {
      const stays = this.#openedAs !== undefined && kernelPath(fd) === this.#openedAs
      if (!stays && statSync(this.#walPath).ino !== fstatSync(fd).ino) return new Error('the -wal file was replaced while in use')
      const nowMs = performance.now()
      if (nowMs < this.#lookAgainMs) return null
      this.#lookAgainMs = nowMs + lookEveryMs
      return this.fileReplaced() ? new Error('the bus file was replaced while in use') : null
    } catch (error) {
      return toError(error)
    }
  }

  /** Whether another file has the bus file's name: what is written here, nobody finds again. Only a restart helps. */
  fileReplaced(): boolean {
    try {
      return statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#fileNumber
    } catch {
      // Not known (a failing disk, a folder that may not be read any more): its syncs tell.
      return false
    }
  }

  /** After a checkpoint moved everything into the database file and synced it: syncs count again. */
  recovered(seq: number): void {
    const old = this.#fd
    this.#fd = undefined
    if (old !== undefined) closeSync(old)
    this.open()
    this.#failed = undefined
    this.vouched(seq)
  }

  /** Size of the WAL file and what is used of it. */
  space(): WalSpace {
    return this.#fd === undefined ? { sizeBytes: 0, usedBytes: 0 } : walSpace(this.#fd)
  }

  /** Makes room ahead, so that syncs need not make the file grow; inside a write transaction only. Says whether it did. */
  extend(): boolean {
    return this.#fd !== undefined && extendWal(this.#fd, this.#walPath)
  }

  /** Waits for a sync under way, then closes the descriptor. Before the connection is closed. */
  async close(): Promise<void> {
    if (this.#running)
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    this.#idle = undefined
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

/** Changes when the file, or a folder above it, is renamed, and ends with "(deleted)" when something else has its name. */
function kernelPath(fd: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // No /proc in this container.
    return undefined
  }
}
