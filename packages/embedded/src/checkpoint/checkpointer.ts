/**
 * Moves the WAL into the database file, off the loop. PASSIVE turns hold no lock and go on until
 * little is left; then no transaction is begun in this process (gate), RESTART moves the rest under the write lock, and the
 * worker itself commits once, so that the new header is synced there. Measured with every fsync at 300 ms: the longest
 * insert was 2.9 ms beside PASSIVE and 932 ms beside RESTART; with PASSIVE alone the WAL grew to 1.9 GB in 8 s.
 */
import { Worker } from 'node:worker_threads'
import { toError } from '@sluice/core/transport'
import type { WalSync } from '../commit/wal-sync.ts'
import type { Writer } from '../commit/writer.ts'
import type { Database, SqliteFactory } from '../sqlite/connection.ts'

/** The WAL is looked at every so many commits, but not more often than this while there is little in it. */
const lookEvery = 32
const lookMs = 50
/**
 * Size of the WAL's used part (the file itself keeps its size after a restart) at which it is moved, bytes; less where its limit
 * is low. Not earlier: each move syncs both files beside everybody's own syncs, and where all was moved the next commit
 * of anybody restarts the WAL on its loop.
 */
const restartBytesMax: number = 16 * 1024 * 1024
const frameBytes = 4096 + 24
/** RESTART holds the write lock while it syncs: only when at most so many frames are left to move. */
const restartFramesMax = 512
const idleTurnMs = 20
/** Room that is kept ahead in the WAL file once it is in use, bytes; up to where it is restarted, and what comes meanwhile. */
const aheadBytes: number = 1024 * 1024
const aheadFromBytes: number = 256 * 1024
const spaceBytesMax: number = 20 * 1024 * 1024

/** What the worker answers. `null`: it failed; another turn will come. */
export interface CheckpointResult {
  readonly busy: boolean
  readonly frames: number
  readonly moved: number
}

/** What it works on: a bus file. */
export interface CheckpointedFile {
  readonly db: Database
  readonly path: string
  readonly sync: WalSync
  readonly writer: Writer
  readonly options: { readonly sqlite?: SqliteFactory; readonly walBytesMax: number }
  report(level: 'warn', message: string): void
}

export class Checkpointer {
  readonly #bus: CheckpointedFile
  readonly #restartBytes: number
  #commits = 0
  #lookedAtMs = 0
  #worker: Worker | undefined
  #spaceBytesMax: number
  #running = false
  #closed = false
  #gated = false
  #answer: ((result: CheckpointResult | null) => void) | undefined

  constructor(bus: CheckpointedFile) {
    this.#bus = bus
    const { walBytesMax } = bus.options
    this.#restartBytes = Math.min(restartBytesMax, walBytesMax / 2)
    this.#spaceBytesMax = Math.min(spaceBytesMax, walBytesMax)
  }

  /** After each commit of this process. */
  committed(): void {
    if (++this.#commits % lookEvery !== 0 || this.#running || this.#closed) return
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs < lookMs) return
    this.#lookedAtMs = nowMs
    const { sizeBytes, usedBytes } = this.#bus.sync.space()
    if (usedBytes >= this.#restartBytes) void this.#run()
    else if (usedBytes >= aheadFromBytes && sizeBytes - usedBytes < aheadBytes && sizeBytes < this.#spaceBytesMax) this.#makeRoom()
  }

  // In a transaction of its own: nobody else writes the WAL while it holds the write lock.
  #makeRoom(): void {
    this.#bus.writer
      .write(
        () => {
          // Nothing more is asked of a disk that is full.
          if (!this.#bus.sync.extend()) this.#spaceBytesMax = 0
        },
        { sync: 'soon' },
      )
      .catch(() => undefined)
  }

  async #run(): Promise<void> {
    this.#running = true
    try {
      while (!this.#closed) {
        const result = await this.#ask('passive')
        if (result === null) break
        const left = result.frames - result.moved
        const bytes = result.frames * frameBytes
        if (!this.#gated && bytes > this.#bus.options.walBytesMax) this.#closeGate()
        if (!result.busy && bytes >= this.#restartBytes && (left <= restartFramesMax || this.#gated)) {
          if (!this.#gated) this.#closeGate()
          await this.#ask('restart')
          break
        }
        if (bytes < this.#restartBytes) break
        await new Promise<void>((resolve) => setTimeout(resolve, result.busy ? idleTurnMs : 0))
      }
    } finally {
      this.#running = false
      if (this.#gated) {
        this.#gated = false
        this.#bus.writer.openGate()
      }
    }
  }

  #closeGate(): void {
    this.#gated = true
    this.#bus.writer.closeGate()
  }

  async #ask(kind: 'passive' | 'restart'): Promise<CheckpointResult | null> {
    if (this.#bus.options.sqlite !== undefined) return this.#onLoop(kind)
    this.#worker ??= this.#start()
    const worker = this.#worker
    return new Promise((resolve) => {
      this.#answer = resolve
      worker.postMessage(kind)
    })
  }

  // A lent library is a function and cannot be handed to a worker, and node:sqlite beside it would break its locks.
  #onLoop(kind: 'passive' | 'restart'): CheckpointResult | null {
    try {
      const row = this.#bus.db.one<{ busy: number; log: number; checkpointed: number }>(`PRAGMA wal_checkpoint(${kind})`)
      return { busy: row.busy !== 0, frames: row.log, moved: row.checkpointed }
    } catch {
      return null
    }
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './checkpoint-worker.ts' : './checkpoint-worker.js'
    const worker = new Worker(new URL(file, import.meta.url), { workerData: { path: this.#bus.path } })
    worker.unref()
    worker.on('message', (result: CheckpointResult | null) => this.#answered(result))
    worker.on('error', (error) => {
      this.#worker = undefined
      this.#bus.report('warn', `the checkpoint worker failed: ${toError(error).message}`)
      this.#answered(null)
    })
    worker.on('exit', () => {
      this.#worker = undefined
      this.#answered(null)
    })
    return worker
  }

  #answered(result: CheckpointResult | null): void {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(result)
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    if (worker === undefined) return
    worker.ref()
    worker.postMessage('close')
    await new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  }
}
