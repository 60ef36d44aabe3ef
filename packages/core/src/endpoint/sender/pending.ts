import { SluiceError, toError } from '../../errors/index.ts'
import type { OutgoingMessage } from '../../transport/index.ts'
import type { PublishOutcome, PublishReceipt } from './api.ts'

/** One message between `publish` and its fate. */
export class PendingMessage {
  /** Replaced once, by the copy with its producer's number, where the transport needs numbers. */
  message: OutgoingMessage
  readonly call: PublishCall
  /** Size as it was counted into the publish buffer. */
  readonly bytes: number
  /** Order of the calls on this sender, from the first message on. */
  readonly sequence: number
  state: 'waiting' | 'in-flight' | 'confirmed' | 'failed' | 'unknown' = 'waiting'
  /** One of its sends ended without a confirm: it may be stored. */
  maybeStored = false
  /** Set when it is a duplicate: the id that is stored. */
  storedId: string | undefined = undefined
  lastError: SluiceError | undefined = undefined

  constructor(message: OutgoingMessage, call: PublishCall, sequence: number) {
    this.message = message
    this.call = call
    this.bytes = message.sizeBytes
    this.sequence = sequence
  }

  /** Channel and key; undefined for a message without key, which waits for no other. Made when asked for: rarely. */
  get lane(): string | undefined {
    const { channel, envelope } = this.message
    return envelope.partitionkey === undefined ? undefined : `${channel}\0${envelope.partitionkey}`
  }
}

/** One call of `publish` or `publishMany`, which settles when all its messages have. */
export class PublishCall {
  readonly entries: PendingMessage[] = []
  readonly promise: Promise<readonly PublishReceipt[] | PublishReceipt>
  /** Monotonic time at which what is not confirmed is given up. */
  readonly deadlineMs: number
  readonly many: boolean
  /** Lanes whose failure made their later entries NOT_SENT. */
  failedLanes: Set<string> | undefined
  /** Removes the listener on the caller's signal. */
  unlisten: (() => void) | undefined
  #open = 0
  #resolve!: (value: readonly PublishReceipt[] | PublishReceipt) => void
  #reject!: (error: SluiceError) => void

  constructor(deadlineMs: number, many: boolean) {
    this.deadlineMs = deadlineMs
    this.many = many
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  add(message: OutgoingMessage, sequence: number): PendingMessage {
    const pending = new PendingMessage(message, this, sequence)
    this.entries.push(pending)
    this.#open++
    return pending
  }

  /** True when this was the call's last open message: the call is settled then. */
  settle(pending: PendingMessage, state: 'confirmed' | 'failed' | 'unknown'): boolean {
    pending.state = state
    if (--this.#open > 0) return false
    this.unlisten?.()
    if (this.many) this.#finishMany()
    else this.#finishOne(pending)
    return true
  }

  #finishOne(pending: PendingMessage): void {
    if (pending.state === 'confirmed') this.#resolve(receiptOf(pending))
    else this.#reject(failureOf(pending))
  }

  #finishMany(): void {
    const bad = this.entries.filter((entry) => entry.state !== 'confirmed')
    if (bad.length === 0) {
      this.#resolve(this.entries.map(receiptOf))
      return
    }
    const entries = this.entries.map(outcomeOf)
    const first = entries.find((entry) => entry.error !== undefined && entry.error.code !== 'NOT_SENT')?.error
    this.#reject(
      new SluiceError('PUBLISH_PARTIAL', `${bad.length} of ${this.entries.length} messages were not confirmed`, {
        fix: 'Look at details.entries: publish those whose state is failed or unknown again, under the same ids and in the same order',
        details: { entries },
        ...(first === undefined ? {} : { cause: first }),
      }),
    )
  }
}

function receiptOf(pending: PendingMessage): PublishReceipt {
  return pending.storedId === undefined ? { id: pending.message.envelope.id, duplicate: false } : { id: pending.storedId, duplicate: true }
}

function outcomeOf(pending: PendingMessage): PublishOutcome {
  if (pending.state === 'confirmed') return { id: receiptOf(pending).id, state: 'confirmed', ...(pending.storedId === undefined ? {} : { duplicate: true }) }
  return { id: pending.message.envelope.id, state: pending.state === 'unknown' ? 'unknown' : 'failed', error: failureOf(pending) }
}

// Errors of these codes say more than PUBLISH_FAILED would, and are promised by the API.
const passedOn: ReadonlySet<string> = new Set([
  'UNROUTED',
  'NOT_SENT',
  'BACKPRESSURE',
  'ABORTED',
  'BUS_STOPPED',
  'MESSAGE_TOO_LARGE',
  'UNSUPPORTED',
  'CONTRACT_CONFLICT',
  'GUARANTEE_UNAVAILABLE',
  'PUBLISH_UNKNOWN',
  'PUBLISH_FAILED',
])

function failureOf(pending: PendingMessage): SluiceError {
  const { id } = pending.message.envelope
  const cause = pending.lastError
  const details = { id, channel: pending.message.channel }
  if (pending.state === 'unknown') {
    return new SluiceError('PUBLISH_UNKNOWN', `the confirm of message ${id} never came; it may or may not be stored`, {
      fix: 'Publish it again with the same id: groups with an inbox handle it once',
      details,
      ...(cause === undefined ? {} : { cause }),
    })
  }
  if (cause !== undefined && passedOn.has(cause.code)) return cause
  return new SluiceError('PUBLISH_FAILED', `message ${id} was not accepted${cause === undefined ? '' : ` (${cause.code})`}`, {
    fix: 'It is certainly not stored; see the cause',
    details,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Whatever a transport threw, as the error of a lost confirm. */
export function transportFailure(error: unknown): SluiceError {
  return error instanceof SluiceError ? error : new SluiceError('TRANSPORT_FAILED', 'the transport failed while sending', { cause: toError(error) })
}
