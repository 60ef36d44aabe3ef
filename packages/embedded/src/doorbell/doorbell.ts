/**
 * Wakes other processes: a small file beside the bus, written after each sync and watched by everybody (p50 0.19 ms
 * across processes; watching the WAL itself fires before a commit is visible, p50 2.3 ms). It carries the number of the
 * highest commit that some process has synced, so that readers deliver without a sync of their own. A number that is too
 * low costs one sync (`bell-file.ts` has the layout). One above the file's own commits says that synced commits are gone (a damaged or foreign `-wal`, a disk that
 * lied, an older copy put in the file's place): opening refuses.
 */
import { chmodSync, closeSync, type FSWatcher, openSync, readSync, watch, writeSync } from 'node:fs'
import { type BellContent, bellBytes, bellIdAt, decodeBell, encodeBell, verifyBell } from './bell-file.ts'

/** Bounds of the fallback poll where files cannot be watched, and the safety net where they can, ms. */
const pollMs = 20
const safetyPollMs = 1000

/** How processes wake each other. */
export interface Bell {
  /** Everything up to this commit is on the disk, some process says. */
  syncedSeq(): number
  /** Tells everybody that commits up to `seq` are synced. */
  ring(seq: number): void
  close(): void
}

/** Opens the bell of a bus file; see the constructor of {@link Doorbell}. */
export type OpenBell = (path: string, committedSeq: () => number, created: boolean, onRing: () => void, busId: string) => Bell

export class Doorbell implements Bell {
  readonly #fd: number
  readonly #onRing: () => void
  readonly #buffer = Buffer.alloc(8)
  #written = -1
  #watcher: FSWatcher | undefined
  #poll: NodeJS.Timeout | undefined

  /**
   * `created`: there was no bus file; what an earlier one left in the doorbell means nothing. `committedSeq` is asked
   * after the bell was read: others commit and ring meanwhile, and a bell that is read last may lawfully be ahead.
   */
  constructor(path: string, committedSeq: () => number, created: boolean, onRing: () => void, busId: string) {
    const bell = `${path}-bell`
    // Read and write without truncation; created by whoever comes first.
    this.#fd = openExisting(bell)
    this.#onRing = onRing
    try {
      const claims = created ? { syncedSeq: 0, busId: undefined } : this.#read()
      verifyBell(path, claims, busId, committedSeq())
      // Named once, beside what others ring meanwhile.
      const from = created ? 0 : bellIdAt
      if (claims.busId === undefined) writeSync(this.#fd, encodeBell(0, busId), from, bellBytes - from, from)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
    this.#watch(bell)
  }

  #read(): BellContent {
    const bytes = Buffer.alloc(bellBytes)
    return decodeBell(bytes.subarray(0, readSync(this.#fd, bytes, 0, bellBytes, 0)))
  }

  #watch(bell: string): void {
    try {
      this.#watcher = watch(bell, { persistent: false }, () => {
        if (this.#value() !== this.#written) this.#onRing()
      })
      this.#watcher.on('error', () => {
        this.#watcher?.close()
        this.#watcher = undefined
        this.#startPoll(pollMs)
      })
      this.#startPoll(safetyPollMs)
    } catch {
      // Out of inotify watches, or a file system without them.
      this.#startPoll(pollMs)
    }
  }

  #startPoll(everyMs: number): void {
    clearInterval(this.#poll)
    this.#poll = setInterval(this.#onRing, everyMs).unref()
  }

  /** Everything up to this commit is on the disk, some process says. */
  syncedSeq(): number {
    const value = this.#value()
    return Number.isSafeInteger(value) && value > 0 ? value : 0
  }

  #value(): number {
    try {
      return readSync(this.#fd, this.#buffer, 0, 8, 0) === 8 ? this.#buffer.readDoubleLE(0) : 0
    } catch {
      // A failing disk: no claim, which costs a sync. Thrown from the watcher it would end the process.
      return 0
    }
  }

  #write(seq: number): void {
    const buffer = Buffer.alloc(8)
    buffer.writeDoubleLE(seq, 0)
    this.#written = seq
    writeSync(this.#fd, buffer, 0, 8, 0)
  }

  /** Tells everybody that commits up to `seq` are synced. A failure (disk full) costs others a poll, nothing else. */
  ring(seq: number): void {
    try {
      this.#write(seq)
    } catch {
      this.#written = -1
    }
  }

  close(): void {
    clearInterval(this.#poll)
    this.#watcher?.close()
    closeSync(this.#fd)
  }
}

function openExisting(path: string): number {
  try {
    return openSync(path, 'r+')
  } catch {
    const fd = openSync(path, 'a+', 0o600)
    closeSync(fd)
    try {
      chmodSync(path, 0o600)
    } catch {
      // Another process made it.
    }
    return openSync(path, 'r+')
  }
}
