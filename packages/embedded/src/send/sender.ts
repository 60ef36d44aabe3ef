/** Sending: batches wait in the writer's queue and share transactions and syncs with everybody else's. */
import { type OutgoingMessage, type SendFailure, type SendReport, SluiceError } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { type Stored, storeOutgoing } from './store-outgoing.ts'

/** Messages waiting for their commit, at most. */
const queuedMax = 200_000
const queuedBytesMax: number = 128 * 1024 * 1024

interface Batch {
  readonly messages: readonly OutgoingMessage[]
  readonly bytes: number
}

export class Sender {
  readonly #bus: BusFile
  #queued = 0
  #queuedBytes = 0
  // Channel and key of entries that failed while calls that overlap theirs are under way: those must be sent again behind.
  readonly #failedKeys: Map<string, number> = new Map()

  constructor(bus: BusFile) {
    this.#bus = bus
  }

  send(messages: readonly OutgoingMessage[]): Promise<SendReport> {
    let bytes = 0
    for (const message of messages) bytes += message.sizeBytes
    if (this.#queued > 0 && (this.#queued + messages.length > queuedMax || this.#queuedBytes + bytes > queuedBytesMax)) {
      return Promise.resolve({
        failures: allFailed(
          messages,
          new SluiceError('BACKPRESSURE', `${this.#queued} messages wait to be stored`, {
            fix: 'Await earlier publishes before sending more, or look why the disk is slow',
          }),
          'failed',
          true,
        ),
      })
    }
    this.#queued += messages.length
    this.#queuedBytes += bytes
    return new Promise((resolve) => this.#enqueue({ messages, bytes }, resolve))
  }

  #enqueue(batch: Batch, resolve: (report: SendReport) => void): void {
    const { messages } = batch
    let stored: Stored = { failures: [], duplicates: undefined }
    let blocked: readonly string[] = []
    const finish = (report: SendReport): void => {
      this.#queued -= messages.length
      this.#queuedBytes -= batch.bytes
      resolve(report)
      if (blocked.length > 0) setImmediate(() => this.#unblock(blocked))
    }
    this.#bus.writer.enqueue({
      weight: messages.length,
      sync: 'now',
      announce: true,
      ordered: true,
      run: (db, seq) => {
        this.#unblock(blocked)
        stored = storeOutgoing(db, messages, seq, this.#bus.clock.nowMs(), this.#failedKeys.size > 0, (key) => this.#failedKeys.has(key))
        blocked = stored.failures.map(({ index }) => laneKey(messages[index] as OutgoingMessage)).filter((key) => key !== undefined)
        for (const key of blocked) this.#failedKeys.set(key, (this.#failedKeys.get(key) ?? 0) + 1)
      },
      synced: () => finish(stored.duplicates === undefined ? { failures: stored.failures } : { failures: stored.failures, duplicates: stored.duplicates }),
      failed: (error, state) => finish({ failures: allFailed(messages, error, state, retryable(error)) }),
    })
  }

  #unblock(keys: readonly string[]): void {
    for (const key of keys) {
      const count = (this.#failedKeys.get(key) ?? 0) - 1
      if (count > 0) this.#failedKeys.set(key, count)
      else this.#failedKeys.delete(key)
    }
  }
}

/** Channel and key; undefined for a message that has no successors to keep in order. */
export function laneKey(message: OutgoingMessage): string | undefined {
  const key = message.envelope.partitionkey
  return key === undefined ? undefined : `${message.channel}\n${key}`
}

function retryable(error: SluiceError): boolean {
  return error.code !== 'STORE_CORRUPT' && error.code !== 'STORE_NOT_A_BUS'
}

function allFailed(messages: readonly OutgoingMessage[], error: SluiceError, state: 'failed' | 'unknown', canRetry: boolean): SendFailure[] {
  return messages.map((_, index) => ({ index, state, error, retryable: canRetry }))
}
