import type { Clock, Random, Timer } from '../../clock/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { OutgoingMessage, SendReport, Topology, Transport } from '../../transport/index.ts'
import type { PublishReceipt } from './api.ts'
import { backoffMs } from './backoff.ts'
import { ChannelGate } from './channel-gate.ts'
import { Flight } from './flight.ts'
import { KeySequences } from './key-sequences.ts'
import { OpenCalls } from './open-calls.ts'
import { type PendingMessage, PublishCall, type Span, transportFailure } from './pending.ts'
import { ResendQueue } from './resend-queue.ts'

/** What a sender needs. */
export interface SenderOptions {
  readonly transport: Transport
  /** Names the producer in message numbers. */
  readonly instanceId: string
  readonly clock: Clock
  readonly random: Random
  /** Messages and bytes that may be outstanding; beyond, calls reject with BACKPRESSURE. */
  readonly countMax: number
  readonly bytesMax: number
  /** What a channel needs to exist; declared before its first message. */
  topologyOf(channel: string): Topology
  /** Told about each finished `transport.send`, only if set. */
  readonly sent?: ((batch: readonly OutgoingMessage[], startedMs: number, report: SendReport) => void) | undefined
}

// One transport.send takes at most this much, so that a huge publishMany is a pipeline and not one long write.
const batchCountMax = 1000
const batchBytesMax = 4 * 1024 * 1024
// More overlapping sends than this only queue up inside the transport; waiting here makes their batches larger.
const flightsMax = 8
// Calls confirmed in one turn of the loop: behind each runs its caller. A slow sync confirms ten thousand at once. Nothing is
// sent before all are told: what their callers publish next goes together.
const confirmsMax = 256

/**
 * Sends everything that goes to one transport. All calls of one turn of the event loop become one `transport.send`. What failed but can succeed later is sent again under the
 * same id until its call's time-out; then the call rejects.
 *
 * Order (R4): a keyed message that failed blocks its lane. Nothing of the lane is sent until all that was under way has
 * come back; then everything from the first unconfirmed message on goes out again, in the order of the calls.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #calls: OpenCalls
  readonly #flights: Set<Flight> = new Set()
  readonly #resends: ResendQueue = new ResendQueue()
  /** Only where the transport does not keep the order of sends itself. */
  readonly #sequences: KeySequences | undefined
  readonly #channels: ChannelGate
  #queue: Span[] = []
  /** Confirmed, but not told to their callers yet. */
  #confirmed: Span[] = []
  #flushing = false
  #sequence = 0
  #count = 0
  #bytes = 0
  #resendTimer: Timer | undefined
  #resendAttempt = 0
  /** Keeps the process alive while something is outstanding. */
  #hold: Timer | undefined
  #idle: (() => void)[] = []

  constructor(options: SenderOptions) {
    this.#options = options
    this.#sequences = options.transport.facts.publishOrder === 'sequence' ? new KeySequences(options.instanceId) : undefined
    this.#calls = new OpenCalls(options.clock, (call, reason) => this.#giveUp(call, reason))
    this.#channels = new ChannelGate({
      ...{ transport: options.transport, clock: options.clock, random: options.random },
      topologyOf: (channel) => options.topologyOf(channel),
      opened: (waiting) => {
        this.#queue = [...waiting.map(alone), ...this.#queue]
        this.#flushSoon()
      },
      refused: (waiting) => {
        for (const pending of waiting) this.#settle(pending, 'failed')
      },
    })
  }

  /** Messages neither confirmed nor given up. */
  get outstanding(): number {
    return this.#count
  }

  /** Sends one message. `timeoutMs` bounds how long it is tried. */
  sendOne(message: OutgoingMessage, timeoutMs: number, signal: AbortSignal | undefined): Promise<PublishReceipt> {
    return this.#accept([message], timeoutMs, signal, false) as Promise<PublishReceipt>
  }

  /** Sends several messages, in order; settles when all have. */
  sendMany(messages: readonly OutgoingMessage[], timeoutMs: number, signal: AbortSignal | undefined): Promise<readonly PublishReceipt[]> {
    if (messages.length === 0) return Promise.resolve([])
    return this.#accept(messages, timeoutMs, signal, true) as Promise<readonly PublishReceipt[]>
  }

  /** A channel that was declared elsewhere (with its handlers). */
  declared(channel: string): void {
    this.#channels.declared(channel)
  }

  /**
   * Writes messages into the application's transaction, synchronously as far as the transport does. Never sent again
   * by itself: the transaction decides. A channel nobody declared yet is declared inside it, so a rollback takes that back.
   */
  inTransaction(messages: readonly OutgoingMessage[], transaction: unknown): Promise<SendReport> {
    const topology = this.#channels.missing(messages.map((message) => message.channel))
    return this.#options.transport.send(messages, topology === undefined ? { transaction } : { transaction, topology })
  }

  /** Resolves when nothing is outstanding, or rejects what is left at `deadlineMs` from now. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#count > 0) {
      const timer = this.#options.clock.setTimer(
        deadlineMs,
        () => this.#calls.giveUpAll(new SluiceError('BUS_STOPPED', 'the bus stopped before the message was confirmed')),
        { keepAlive: true },
      )
      await new Promise<void>((resolve) => this.#idle.push(resolve))
      timer.cancel()
    }
    this.#calls.stop()
    this.#channels.stop()
    this.#resendTimer?.cancel()
  }

  #accept(
    messages: readonly OutgoingMessage[],
    timeoutMs: number,
    signal: AbortSignal | undefined,
    many: boolean,
  ): Promise<readonly PublishReceipt[] | PublishReceipt> {
    const full = this.#backpressure(messages)
    if (full !== undefined) return Promise.reject(full)
    const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs
    const call = new PublishCall(messages, deadlineMs, many, this.#sequence)
    this.#sequence += messages.length
    this.#queue.push({ call, from: 0, to: messages.length })
    for (const message of messages) this.#bytes += message.sizeBytes
    if (this.#count === 0) this.#hold ??= this.#options.clock.holdOpen?.()
    this.#count += messages.length
    this.#calls.add(call, signal)
    this.#flushSoon()
    return call.promise
  }

  #backpressure(messages: readonly OutgoingMessage[]): SluiceError | undefined {
    const { countMax, bytesMax } = this.#options
    // A call of its own may be larger than the buffer: its caller holds the data anyway.
    if (this.#count === 0 || (this.#count + messages.length <= countMax && this.#bytes < bytesMax)) return undefined
    return new SluiceError('BACKPRESSURE', `${this.#count} messages (${this.#bytes} bytes) wait for their confirm, which is the limit`, {
      fix: 'Await earlier publishes, use publishMany, or raise limits.publishBufferCountMax / publishBufferBytesMax',
      details: { count: this.#count, bytes: this.#bytes, countMax, bytesMax },
    })
  }

  // Not a microtask: a failed send must have been heard of before anything later is sent, and between a transport's
  // answer and our hearing of it lie microtasks only. No slower either (memory, awaited publishes: 184 against 140 k/s).
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    if (this.#queue.length === 0 || this.#flights.size >= flightsMax || this.#confirmed.length > 0) return
    const queue = this.#queue
    let taken = 0
    while (taken < queue.length && this.#flights.size < flightsMax) {
      const flight = new Flight(batchCountMax, batchBytesMax)
      while (taken < queue.length && !flight.full) {
        const span = queue[taken] as Span
        const next = this.#goesAsAWhole(span.call) ? flight.take(span) : this.#takeEach(flight, span)
        if (next === span.to) taken++
        else queue[taken] = { call: span.call, from: next, to: span.to }
      }
      if (flight.messages.length > 0) this.#send(flight, false)
    }
    this.#queue = taken === queue.length ? [] : queue.slice(taken)
  }

  /** Nothing is known that would make messages of this call wait or need a number: all of a call go to one channel. */
  #goesAsAWhole(call: PublishCall): boolean {
    return !call.single && this.#sequences === undefined && this.#resends.idle && this.#channels.isDeclared((call.messages[0] as OutgoingMessage).channel)
  }

  /** Takes what can be sent of a span, message by message; returns the index behind what was looked at. */
  #takeEach(flight: Flight, { call, from, to }: Span): number {
    let index = from
    for (; index < to && !flight.full; index++) {
      const pending = call.entries[index] as PendingMessage
      if (this.#sendable(pending)) flight.add(pending)
    }
    return index
  }

  /** False when it was given up, or now waits somewhere else: for its channel, or behind a failed one of its lane. */
  #sendable(pending: PendingMessage): boolean {
    if (pending.state !== 'waiting') return false
    if (!this.#channels.passes(pending) || this.#resends.hold(pending)) return false
    if (this.#sequences !== undefined && pending.lane !== undefined && this.#sequences.begins(pending.lane)) this.#resends.alone(pending.lane)
    this.#stamp(pending)
    return true
  }

  #stamp(pending: PendingMessage): void {
    if (this.#sequences !== undefined && pending.lane !== undefined) pending.message = this.#sequences.stamp(pending.lane, pending.message)
  }

  #send(flight: Flight, resend: boolean): void {
    if (this.#options.sent !== undefined) flight.startedMs = this.#options.clock.monotonicMs()
    this.#flights.add(flight)
    const { messages } = flight
    let sending: Promise<SendReport>
    try {
      sending = resend ? this.#options.transport.send(messages, { resend }) : this.#options.transport.send(messages)
    } catch (error) {
      sending = Promise.reject(error)
    }
    sending.then(
      (report) => this.#landed(flight, report),
      (error: unknown) => this.#crashed(flight, transportFailure(error)),
    )
  }

  /** A send that rejected as a whole says nothing about its entries: all are unknown. */
  #crashed(flight: Flight, error: SluiceError): void {
    const retryable = error.code !== 'TRANSPORT_CLOSED'
    this.#landed(flight, { failures: flight.messages.map((_, index) => ({ index, state: 'unknown', error, retryable })) })
  }

  #landed(flight: Flight, report: SendReport): void {
    this.#flights.delete(flight)
    this.#options.sent?.(flight.messages, flight.startedMs, report)
    if (report.duplicates !== undefined) {
      const { entries } = flight
      for (const [index, id] of report.duplicates) {
        const pending = entries[index]
        if (pending !== undefined) pending.storedId = id
      }
    }
    if (report.failures.length === 0 && this.#resends.idle) {
      this.#confirmed.push(...flight.spans)
      // If more are there, somebody comes for them.
      if (this.#confirmed.length === flight.spans.length) this.#confirmSome()
    } else {
      this.#sortOut(flight, report)
    }
    if (this.#queue.length > 0) this.#flushSoon()
    if (!this.#resends.idle) this.#scheduleResend(report.failures.length > 0)
  }

  #sortOut(flight: Flight, report: SendReport): void {
    const failures = new Map(report.failures.map((failure) => [failure.index, failure]))
    const again: PendingMessage[] = []
    for (const [index, pending] of flight.entries.entries()) {
      const failure = failures.get(index)
      this.#resends.returned(pending)
      if (failure === undefined) {
        this.#resendAttempt = 0
        this.#settle(pending, 'confirmed')
        continue
      }
      if (failure.state === 'unknown') pending.maybeStored = true
      // The reason of the first failure says more than that of those held back behind it.
      if (failure.error.code !== 'NOT_SENT' || pending.lastError === undefined) pending.lastError = failure.error
      if (pending.state !== 'in-flight') continue
      pending.state = 'waiting'
      if (pending.lane !== undefined && pending.call.failedLanes?.has(pending.lane) === true) this.#notSent(pending)
      else if (failure.retryable) again.push(pending)
      else this.#fail(pending)
    }
    this.#resends.add(again, this.#flights)
  }

  /** Gives one up for good; entries of its call behind it in its lane are not sent. */
  #fail(pending: PendingMessage): void {
    const { call, lane } = pending
    this.#settle(pending, pending.maybeStored ? 'unknown' : 'failed')
    if (!call.many || lane === undefined) return
    call.failedLanes ??= new Set()
    call.failedLanes.add(lane)
    for (const later of call.entries) if (later.lane === lane && later.state === 'waiting') this.#notSent(later)
  }

  #notSent(pending: PendingMessage): void {
    if (!pending.maybeStored) {
      pending.lastError = new SluiceError('NOT_SENT', 'not sent, because an earlier message of the same key in the same call failed', {
        details: { id: pending.message.envelope.id },
      })
    }
    this.#settle(pending, pending.maybeStored ? 'unknown' : 'failed')
  }

  /** What was only held back behind a failed message goes at once, what failed itself after a delay. */
  #scheduleResend(failed: boolean): void {
    if (this.#resendTimer !== undefined || !this.#resends.ready) return
    if (!failed) {
      this.#resend()
      return
    }
    const delayMs = backoffMs(this.#resendAttempt++, this.#options.random)
    this.#resendTimer = this.#options.clock.setTimer(
      delayMs,
      () => {
        this.#resendTimer = undefined
        this.#resend()
      },
      { keepAlive: true },
    )
  }

  #resend(): void {
    const entries = this.#resends.take(batchCountMax, (lane) => this.#sequences?.begins(lane) === true)
    for (const pending of entries) this.#stamp(pending)
    if (entries.length === 0) return
    const flight = new Flight(batchCountMax, batchBytesMax)
    for (const pending of entries) flight.add(pending)
    this.#send(
      flight,
      entries.some((pending) => pending.maybeStored),
    )
  }

  #confirmSome(): void {
    const spans = this.#confirmed
    const count = Math.min(spans.length, confirmsMax)
    for (let index = 0; index < count; index++) this.#confirm(spans[index] as Span)
    this.#confirmed = spans.slice(count)
    if (this.#confirmed.length > 0) setImmediate(() => this.#confirmSome())
    else if (this.#queue.length > 0) this.#flushSoon()
  }

  #confirm(span: Span): void {
    const { call, from, to } = span
    if (call.single) {
      for (const pending of call.entries.slice(from, to)) this.#settle(pending, 'confirmed')
      return
    }
    for (let index = from; index < to; index++) this.#bytes -= (call.messages[index] as OutgoingMessage).sizeBytes
    this.#count -= to - from
    if (call.confirm(span)) this.#calls.settled(call)
    if (this.#count === 0) this.#becomeIdle()
  }

  #settle(pending: PendingMessage, state: 'confirmed' | 'failed' | 'unknown'): void {
    if (pending.state !== 'waiting' && pending.state !== 'in-flight') return
    if (state !== 'confirmed' && pending.lane !== undefined) this.#sequences?.renew(pending.lane)
    this.#count--
    this.#bytes -= pending.bytes
    if (pending.call.settle(pending, state)) this.#calls.settled(pending.call)
    if (this.#count === 0) this.#becomeIdle()
  }

  #becomeIdle(): void {
    this.#hold?.cancel()
    this.#hold = undefined
    if (this.#idle.length > 0) {
      for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  #giveUp(call: PublishCall, reason: SluiceError | undefined): void {
    for (const pending of call.entries) {
      if (pending.state !== 'waiting' && pending.state !== 'in-flight') continue
      const unknown = pending.maybeStored || pending.state === 'in-flight'
      if (reason !== undefined) pending.lastError = reason
      this.#settle(pending, unknown ? 'unknown' : 'failed')
    }
  }
}

function alone(pending: PendingMessage): Span {
  return { call: pending.call, from: pending.index, to: pending.index + 1 }
}
