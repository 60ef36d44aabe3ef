import { SluiceError, toError } from '../../errors/index.ts'
import type { OutgoingMessage } from '../../transport/index.ts'
import type { PublishOutcome, PublishReceipt } from './api.ts'

type PendingState = 'waiting' | 'in-flight' | 'confirmed' | 'failed' | 'unknown'

/** One message between `publish` and its fate: only where something is out of the ordinary, see {@link PublishCall.entries}. */
export class PendingMessage {
  /** Replaced once, by the copy with its producer's number, where the transport needs numbers. */
  message: OutgoingMessage
  readonly call: PublishCall
  /** Which message of its call it is. */
  readonly index: number
  /** Size as it was counted into the publish buffer. */
  readonly bytes: number
  state: PendingState
  /** One of its sends ended without a confirm: it may be stored. */
  maybeStored = false
  /** Set when it is a duplicate: the id that is stored. */
  storedId: string | undefined = undefined
  lastError: SluiceError | undefined = undefined

  constructor(message: OutgoingMessage, call: PublishCall, index: number, state: PendingState) {
    this.message = message
    this.call = call
    this.index = index
    this.bytes = message.sizeBytes
    this.state = state
  }

  /** Channel and key; undefined for a message without key, which waits for no other. */
  get lane(): string | undefined {
    const { channel, envelope } = this.message
    return envelope.partitionkey === undefined ? undefined : `${channel}\0${envelope.partitionkey}`
  }

  /** Order of the calls on this sender, from the first message on. */
  get sequence(): number {
    return this.call.firstSequence + this.index
  }
}

/** Consecutive messages of one call: what is queued, sent and confirmed as a whole. */
export interface Span {
  readonly call: PublishCall
  /** Index of its first message. */
  readonly from: number
  /** Index behind its last message. */
  readonly to: number
}

/** One call of `publish` or `publishMany`, which settles when all its messages have. */
export class PublishCall {
  readonly messages: readonly OutgoingMessage[]
  readonly promise: Promise<readonly PublishReceipt[] | PublishReceipt>
  /** Monotonic time at which what is not confirmed is given up. */
  readonly deadlineMs: number
  readonly many: boolean
  /** Place of its first message in the order of the calls. */
  readonly firstSequence: number
  /** Lanes whose failure made their later entries NOT_SENT. */
  failedLanes: Set<string> | undefined
  /** Removes the listener on the caller's signal. */
  unlisten: (() => void) | undefined
  #entries: PendingMessage[] | undefined
  // While there are no entries: how many messages were sent, and which of these are confirmed (if not all are).
  #sent = 0
  #confirmed: Span[] | undefined
  #open: number
  #resolve!: (value: readonly PublishReceipt[] | PublishReceipt) => void
  #reject!: (error: SluiceError) => void

  constructor(messages: readonly OutgoingMessage[], deadlineMs: number, many: boolean, firstSequence: number) {
    this.messages = messages
    this.deadlineMs = deadlineMs
    this.many = many
    this.firstSequence = firstSequence
    this.#open = messages.length
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Its messages fare differently, or may: each has its entry. */
  get single(): boolean {
    return this.#entries !== undefined
  }

  /**
   * Each message with its own state. Made when something is out of the ordinary (a channel that must be declared, a
   * failure, a time-out …), from what is known of the call as a whole: an object a message that lives until the confirm
   * costs the garbage collector a third more.
   */
  get entries(): readonly PendingMessage[] {
    this.#entries ??= this.#makeEntries()
    return this.#entries
  }

  #makeEntries(): PendingMessage[] {
    const entries = this.messages.map((message, index) => new PendingMessage(message, this, index, index < this.#sent ? 'in-flight' : 'waiting'))
    for (const { from, to } of this.#confirmed ?? []) for (const pending of entries.slice(from, to)) pending.state = 'confirmed'
    return entries
  }

  /** Messages before this one are on their way. Only while the call is not `single`. */
  sentTo(to: number): void {
    this.#sent = to
  }

  /** A part is confirmed. Only while the call is not `single`. True when it was the last: the call is settled then. */
  confirm(span: Span): boolean {
    this.#open -= span.to - span.from
    if (this.#open > 0) {
      this.#confirmed ??= []
      this.#confirmed.push(span)
      return false
    }
    this.unlisten?.()
    if (this.many) this.#resolve(this.messages.map(({ envelope }) => ({ id: envelope.id, duplicate: false })))
    else this.#resolve({ id: (this.messages[0] as OutgoingMessage).envelope.id, duplicate: false })
    return true
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
