/**
 * An open bus file: the connection, the group commit, the doorbell and what this process knows of the file's state.
 * Everything of the engine that reads or writes goes through one of these; it knows no groups and no messages.
 */
import type { Clock, SluiceError, TransportContext } from '@sluice/core/transport'
import { Checkpointer } from './checkpoint/checkpointer.ts'
import { type SyncCalls, systemSyncCalls, WalSync } from './commit/wal-sync.ts'
import { Writer } from './commit/writer.ts'
import { type Bell, Doorbell, type OpenBell } from './doorbell/doorbell.ts'
import { fileError } from './file/file-system.ts'
import { type OpenedFile, openFile, openWithNode } from './file/open.ts'
import { ChannelReader } from './log/reader.ts'
import type { EmbeddedOptions } from './options.ts'
import type { Database } from './sqlite/connection.ts'
import { storeError } from './sqlite/errors.ts'
import { SharedReads } from './sqlite/shared-reads.ts'

/** How long rows beyond the last sync wait for their writer to ring before this process syncs them itself, ms. */
const foreignSyncGraceMs = 3
/** A look costs a query: after commits and rings at most one in this time, ms. */
const lookSoonMs = 1
const cacheBytesMax: number = 8 * 1024 * 1024

interface StateRow {
  readonly commit_seq: number
  readonly change_seq: number
  readonly next_due_ms: number | null
}

const openDoorbell: OpenBell = (...given) => new Doorbell(...given)

/** Told when something may have changed. */
export interface BusListener {
  /** New commits are readable. */
  woken(): void
  /** Members, groups, lots or pauses changed (state.change_seq). */
  changed(): void
}

export class BusFile {
  readonly db: Database
  readonly path: string
  readonly busId: string
  readonly clock: Clock
  readonly context: TransportContext
  readonly options: EmbeddedOptions
  readonly sync: WalSync
  readonly writer: Writer
  /** For reads that come in numbers. */
  readonly reads: SharedReads
  readonly checkpointer: Checkpointer
  readonly #doorbell: Bell
  readonly #listeners: Set<BusListener> = new Set()
  readonly #readers: Map<number, ChannelReader> = new Map()
  #seenSeq = 0
  #changeSeq = 0
  #foreignSync: NodeJS.Timeout | undefined
  /** Highest commit that was wanted and not synced. */
  #foreignSeq = 0
  #recovery: NodeJS.Timeout | undefined
  #soonLook: NodeJS.Timeout | undefined
  /** A transaction of this process changed members, groups or lots since the last look. */
  #changedHere = false
  #looking = false
  #closed = false
  /** Time of the next delayed message, ms since the epoch, as last read; null: none. */
  nextDueMs: number | null = null

  private constructor({ db, path, busId, created }: OpenedFile, context: TransportContext, options: EmbeddedOptions, calls: SyncCalls, openBell: OpenBell) {
    this.db = db
    this.reads = new SharedReads(db)
    this.path = path
    this.busId = busId
    this.context = context
    this.clock = context.clock
    this.options = options
    this.sync = new WalSync(
      path,
      calls,
      (seq) => this.writer.onSynced(seq),
      (error) => this.#syncFailed(error),
    )
    this.writer = new Writer(db, path, this.sync, {
      synced: (seq, announce) => {
        if (seq > this.#seenSeq) this.#seenSeq = seq
        if (!announce || this.#closed) {
          this.#wake()
          return
        }
        this.#doorbell.ring(seq)
        // This process hears no doorbell of its own. What it wrote itself it knows; the rest can wait until callers were told.
        if (this.#changedHere) this.look()
        else {
          this.#wake()
          this.#lookSoon()
        }
      },
      committed: () => this.checkpointer.committed(),
    })
    const state = this.#state()
    this.#doorbell = openBell(
      path,
      () => this.#state().commit_seq,
      created,
      () => this.#rung(),
      busId,
    )
    try {
      this.sync.open()
      this.#take(state)
    } catch (error) {
      this.#doorbell.close()
      throw error
    }
    this.checkpointer = new Checkpointer(this)
  }

  /** `calls` and `openBell`: what reaches beyond SQLite to the disk and to other processes, so that a test can stand in for it. */
  static async open(
    path: string,
    context: TransportContext,
    options: EmbeddedOptions,
    calls: SyncCalls = systemSyncCalls,
    openBell: OpenBell = openDoorbell,
  ): Promise<BusFile> {
    const opened = await openFile(path, options.sqlite ?? openWithNode, options.networkFileSystem)
    if (opened.network !== undefined)
      context.report({ level: 'warn', message: `${path} is on a network file system (${opened.network}): a second machine that opens it would damage it` })
    try {
      return new BusFile(opened, context, options, calls, openBell)
    } catch (error) {
      opened.db.close()
      throw error instanceof Error && 'syscall' in error ? fileError(error, path) : storeError(error, path)
    }
  }

  #state(): StateRow {
    return this.db.one<StateRow>('SELECT commit_seq, change_seq, next_due_ms FROM state')
  }

  #take(state: StateRow): boolean {
    const changed = state.change_seq !== this.#changeSeq
    this.#changeSeq = state.change_seq
    this.nextDueMs = state.next_due_ms
    if (state.commit_seq > this.#seenSeq) this.#seenSeq = state.commit_seq
    this.sync.known(state.commit_seq)
    return changed
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Latest commit known here; whatever it wrote can be read. */
  get seenSeq(): number {
    return this.#seenSeq
  }

  /** Reads the file's state, after the doorbell or a timer, and passes on what is new. */
  look(): void {
    if (this.#closed || this.#looking) return
    this.#looking = true
    this.#changedHere = false
    try {
      this.sync.vouched(this.#doorbell.syncedSeq())
      const changed = this.#take(this.#state())
      if (changed) for (const listener of this.#listeners) listener.changed()
      this.#wake()
    } catch (error) {
      this.report('error', 'the bus file could not be read', storeError(error, this.path))
    } finally {
      this.#looking = false
    }
  }

  /** What was rung for is told at once, by the bell's number alone; what else there is comes with the next look. */
  #rung(): void {
    if (this.#closed) return
    this.sync.vouched(this.#doorbell.syncedSeq())
    this.#lookSoon()
  }

  #lookSoon(): void {
    this.#soonLook ??= setTimeout(() => {
      this.#soonLook = undefined
      this.look()
    }, lookSoonMs).unref()
  }

  #wake(): void {
    for (const listener of this.#listeners) listener.woken()
  }

  /** Inside a write transaction: tells all processes, this one included, that members, groups or lots changed. */
  markChanged(db: Database): void {
    this.#changedHere = true
    db.run('UPDATE state SET change_seq = change_seq + 1')
  }

  listen(listener: BusListener): void {
    this.#listeners.add(listener)
  }

  unlisten(listener: BusListener): void {
    this.#listeners.delete(listener)
  }

  /** Whether a commit may be acted on: it is on the disk. If not, it is synced here unless its writer rings soon. */
  isSynced(seq: number): boolean {
    if (seq <= this.sync.syncedSeq) return true
    this.sync.vouched(this.#doorbell.syncedSeq())
    if (seq <= this.sync.syncedSeq) return true
    this.#awaitRing(seq)
    return false
  }

  // Nearly always the writer rings: a sync here would only hold up its next one.
  #awaitRing(seq: number): void {
    this.#foreignSeq = Math.max(this.#foreignSeq, seq)
    this.#foreignSync ??= setTimeout(() => {
      this.#foreignSync = undefined
      this.sync.vouched(this.#doorbell.syncedSeq())
      if (seq > this.sync.syncedSeq) this.sync.request(false)
      else if (this.#foreignSeq > this.sync.syncedSeq) this.#awaitRing(this.#foreignSeq)
    }, foreignSyncGraceMs).unref()
  }

  /** Number of the file's last commit, read now. */
  committedSeq(): number {
    return this.#state().commit_seq
  }

  /** Somebody else's connection in this process committed: sync it, then tell everybody. */
  announce(): void {
    this.look()
    this.writer.committedElsewhere(this.#seenSeq)
  }

  /** Somebody else's connection committed and synced everything up to `seq`. */
  announceSynced(seq: number): void {
    this.sync.vouched(seq)
    this.writer.committedElsewhere(seq)
  }

  reader(channelId: number): ChannelReader {
    let reader = this.#readers.get(channelId)
    if (reader === undefined) {
      reader = new ChannelReader(this.db, channelId, cacheBytesMax)
      this.#readers.set(channelId, reader)
    }
    return reader
  }

  /** A channel is gone or was trimmed. */
  forgetReader(channelId: number): void {
    this.#readers.get(channelId)?.forget()
  }

  report(level: 'info' | 'warn' | 'error', message: string, error?: SluiceError): void {
    this.context.report({ level, message, ...(error === undefined ? {} : { error }) })
  }

  // What was committed is in the WAL as the kernel shows it, but perhaps not on the disk: only a checkpoint that moves it
  // into the database file and syncs that makes later confirms true again.
  #syncFailed(error: SluiceError): void {
    this.writer.onSyncFailed(error)
    this.report('error', 'the disk failed to sync; publishing is refused until a checkpoint succeeds', error)
    const recover = (): void => {
      if (this.#closed || this.sync.fileReplaced()) return
      try {
        const { busy } = this.db.one<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)')
        if (busy === 0) {
          const state = this.#state()
          this.#take(state)
          this.sync.recovered(state.commit_seq)
          this.report('info', 'the disk syncs again; publishing goes on')
          return
        }
      } catch {
        // Still failing: try again below.
      }
      this.#recovery = setTimeout(recover, 500).unref()
    }
    this.#recovery = setTimeout(recover, 50).unref()
  }

  /** Waits for what was enqueued, then closes everything: descriptors before the connection. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.writer.drain()
    this.#closed = true
    clearTimeout(this.#foreignSync)
    clearTimeout(this.#soonLook)
    clearTimeout(this.#recovery)
    await this.checkpointer.close()
    await this.sync.close()
    this.#doorbell.close()
    this.db.close()
  }
}
