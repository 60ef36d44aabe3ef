/** Sending: batches wait in the writer's queue and share transactions and syncs with everybody else's. */
import { type OutgoingMessage, type SendFailure, type SendReport, SluiceError } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { sqliteFailure } from '../sqlite/errors.ts'
import { OutgoingStore, type Stored } from './store-outgoing.ts'
import { UnknownSends } from './unknown-sends.ts'

/** Messages waiting for their commit, at most. */
const queuedMax = 200_000
const queuedBytesMax: number = 128 * 1024 * 1024

/** Messages that one transaction takes: bounds how long the loop and the write lock are held. */
const weightMax = 2048
const nothing: Stored = { failures: [], duplicates: undefined }

interface Batch {
  readonly messages: readonly OutgoingMessage[]
  readonly bytes: number
  readonly resolve: (report: SendReport) => void
  stored: Stored
  /** Channel and key of its failed entries: what is behind them in calls that overlap this one must be sent again. */
  blocks: readonly string[]
}

export class Sender {
  readonly #bus: BusFile
  #queued = 0
  #queuedBytes = 0
  // Calls that no transaction has taken yet, in order. One job of the writer's queue stands for all of them, so that a
  // thousand single sends become one transaction with a few blocks.
  #waiting: Batch[] = []
  #jobQueued = false
  readonly #blocked: Map<string, number> = new Map()
  readonly #unknown: UnknownSends = new UnknownSends()

  constructor(bus: BusFile) {
    this.#bus = bus
  }

  send(messages: readonly OutgoingMessage[]): Promise<SendReport> {
    let bytes = 0
    for (const message of messages) bytes += message.sizeBytes
    return new Promise((resolve) => {
      const batch: Batch = { messages, bytes, resolve, stored: nothing, blocks: [] }
      const full = this.#queued > 0 && (this.#queued + messages.length > queuedMax || this.#queuedBytes + bytes > queuedBytesMax)
      this.#queued += messages.length
      this.#queuedBytes += bytes
      if (full) {
        const fix = 'Await earlier publishes before sending more, or look why the disk is slow'
        this.#fail(batch, new SluiceError('BACKPRESSURE', `${this.#queued} messages wait to be stored`, { fix }), 'failed')
        return
      }
      this.#waiting.push(batch)
      if (!this.#jobQueued) this.#enqueue()
    })
  }

  #enqueue(): void {
    this.#jobQueued = true
    let taken: readonly Batch[] = []
    let commit = 0
    this.#bus.writer.enqueue({
      weight: weightMax,
      sync: 'now',
      announce: true,
      ordered: true,
      run: (db, seq) => {
        for (const batch of taken) this.#unblock(batch)
        taken = this.#take()
        const store = new OutgoingStore(db, this.#bus.clock.nowMs(), this.#unknown)
        for (const batch of taken) {
          batch.stored = store.store(batch.messages, this.#blocked)
          if (batch.stored.failures.length > 0) this.#block(batch, batch.stored.failures)
        }
        store.append(seq)
      },
      committed: (seq) => {
        commit = seq
        this.#took(taken)
      },
      synced: () => {
        for (const batch of taken) {
          if (this.#unknown.size > 0) this.#unknown.forget(batch.messages)
          const { failures, duplicates } = batch.stored
          this.#finish(batch, duplicates === undefined ? { failures } : { failures, duplicates })
        }
      },
      failed: (error, state) => {
        // Certainly not stored: nor may be what waits behind, or it would overtake.
        const lost = state === 'failed' ? this.#waiting : taken
        if (state === 'failed') this.#took(lost)
        else for (const batch of taken) this.#unknown.remember(batch.messages, commit)
        for (const batch of lost) this.#fail(batch, error, state)
      },
    })
  }

  #take(): readonly Batch[] {
    let count = 0
    for (let weight = 0; count < this.#waiting.length && weight < weightMax; count++) weight += (this.#waiting[count] as Batch).messages.length
    return this.#waiting.slice(0, count)
  }

  #took(batches: readonly Batch[]): void {
    this.#waiting = this.#waiting.slice(batches.length)
    this.#jobQueued = false
    if (this.#waiting.length > 0) this.#enqueue()
  }

  #finish(batch: Batch, report: SendReport): void {
    this.#queued -= batch.messages.length
    this.#queuedBytes -= batch.bytes
    batch.resolve(report)
    // The call overlaps others until whoever awaits it has had its turn.
    if (batch.blocks.length > 0) setImmediate(() => this.#unblock(batch))
  }

  #fail(batch: Batch, error: SluiceError, state: 'failed' | 'unknown'): void {
    const failures = batch.messages.map((_, index) => ({ index, state, error, retryable: retryable(error) }))
    this.#unblock(batch)
    this.#block(batch, failures)
    this.#finish(batch, { failures })
  }

  #block(batch: Batch, failures: readonly SendFailure[]): void {
    batch.blocks = failures.map(({ index }) => laneKey(batch.messages[index] as OutgoingMessage)).filter((key) => key !== undefined)
    for (const key of batch.blocks) this.#blocked.set(key, (this.#blocked.get(key) ?? 0) + 1)
  }

  #unblock(batch: Batch): void {
    for (const key of batch.blocks) {
      const count = (this.#blocked.get(key) ?? 0) - 1
      if (count > 0) this.#blocked.set(key, count)
      else this.#blocked.delete(key)
    }
    batch.blocks = []
  }
}

/** Channel and key; undefined for a message that has no successors to keep in order. */
export function laneKey(message: OutgoingMessage): string | undefined {
  const key = message.envelope.partitionkey
  return key === undefined ? undefined : `${message.channel}\n${key}`
}

function retryable(error: SluiceError): boolean {
  if (error.code === 'TRANSPORT_FAILED') return sqliteFailure(error.cause) === 'io'
  // A log that was replaced under us does not come back.
  return error.code !== 'STORE_CORRUPT' && error.code !== 'STORE_NOT_A_BUS' && error.details['replaced'] !== true
}
