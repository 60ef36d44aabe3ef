import type { Clock, Timer } from '../../clock/index.ts'
import { checkReplyOutput, type RequestContract } from '../../contract/index.ts'
import { SluiceError, toError } from '../../errors/index.ts'
import type { CodecRegistry } from '../../message/index.ts'
import type { Consumer, ConsumerObserver, Delivery, Transport } from '../../transport/index.ts'
import { rejectedError } from './replier.ts'
import { replyChannelPrefix, replyRejectedType } from './reply-message.ts'

interface Waiting {
  readonly id: string
  readonly contract: RequestContract
  readonly deadlineMs: number
  resolve(reply: unknown): void
  reject(error: unknown): void
  unlisten: (() => void) | undefined
}

/** What a requester needs; one a transport. */
export interface RequesterOptions {
  readonly transport: Transport
  readonly instanceId: string
  readonly clock: Clock
  readonly codecs: CodecRegistry
  readonly messageBytesMax: number
  readonly pendingMax: number
  /** A reply that came after its request was given up; counted, not an error. */
  late(): void
  /** The reply channel failed for good. */
  failed(error: Error): void
}

// How long a group that had a consumer is taken to have one, so that presence is not asked for each request.
const presenceMs = 5_000

/**
 * Waits for replies. One reply channel an instance and transport, made with the first request; one timer for the
 * earliest deadline, however many requests wait.
 */
export class Requester {
  readonly #options: RequesterOptions
  readonly #waiting: Map<string, Waiting> = new Map()
  readonly #present: Map<string, number> = new Map()
  readonly channel: string
  #consumer: Promise<Consumer> | undefined
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(options: RequesterOptions) {
    this.#options = options
    this.channel = `${replyChannelPrefix}${options.instanceId}`
  }

  /** Requests under way. */
  get pending(): number {
    return this.#waiting.size
  }

  /**
   * Sends a request by `send` (which is given the reply channel's name) and resolves to the reply's output. Rejects with
   * NO_HANDLER, REQUEST_TIMEOUT, REQUEST_REJECTED, BACKPRESSURE, ABORTED, BUS_STOPPED, VALIDATION_FAILED (of the reply), and
   * what `send` rejects with.
   */
  async request(
    contract: RequestContract,
    id: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    send: (replyTo: string) => Promise<unknown>,
  ): Promise<unknown> {
    this.#admit()
    if (this.#waiting.has(id)) {
      throw new SluiceError('INVALID_OPTION', `a request with the id ${id} is under way`, { fix: 'Leave the id out, or wait for the first one' })
    }
    const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs
    const reply = new Promise<unknown>((resolve, reject) => {
      const waiting: Waiting = { id, contract, deadlineMs, resolve, reject, unlisten: undefined }
      this.#waiting.set(id, waiting)
      if (signal !== undefined) this.#listenTo(waiting, signal)
    })
    if (deadlineMs < this.#timerMs) this.#arm(deadlineMs)
    // The time-out runs from here on, whatever the transport is slow at.
    this.#ready(contract)
      .then(() => (this.#waiting.has(id) ? send(this.channel) : undefined))
      .catch((error: unknown) => this.#settle(id)?.reject(error))
    return reply
  }

  async #ready(contract: RequestContract): Promise<void> {
    this.#consumer ??= this.#listen()
    await this.#consumer
    await this.#checkPresence(contract)
  }

  /** Rejects what still waits and gives the reply channel up. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(stoppedError())
    const consumer = await this.#consumer?.catch(() => undefined)
    await consumer?.close()
  }

  #admit(): void {
    if (this.#stopped) throw stoppedError()
    if (this.#waiting.size < this.#options.pendingMax) return
    throw new SluiceError('BACKPRESSURE', `${this.#waiting.size} requests wait for their replies, which is the limit`, {
      fix: 'Wait for replies, or raise limits.pendingRequestsMax',
    })
  }

  async #listen(): Promise<Consumer> {
    const { transport } = this.#options
    const group = { channel: this.channel, group: this.channel, from: 'start', order: 'none', ephemeral: true } as const
    try {
      await transport.declare({ channels: [{ name: this.channel, kind: 'reply' }], groups: [group] })
      const consumer = await transport.consume({ ...group, kind: 'reply', types: [], windowCount: 1000, windowBytes: 16 * 1024 * 1024 }, silent)
      void this.#receive(consumer)
      return consumer
    } catch (error) {
      // The next request tries again.
      this.#consumer = undefined
      throw error
    }
  }

  async #receive(consumer: Consumer): Promise<void> {
    try {
      for (;;) {
        const deliveries = await consumer.receive(256, 4 * 1024 * 1024)
        if (deliveries.length === 0) break
        for (const delivery of deliveries) this.#arrived(delivery)
        consumer.accept(deliveries)
      }
    } catch (error) {
      if (!this.#stopped) this.#options.failed(toError(error))
    }
    this.#consumer = undefined
  }

  #arrived(delivery: Delivery): void {
    const { envelope } = delivery
    const waiting = envelope.replyfor === undefined ? undefined : this.#settle(envelope.replyfor)
    if (waiting === undefined) {
      this.#options.late()
      return
    }
    const { contract } = waiting
    this.#present.set(contract.channel, this.#options.clock.monotonicMs() + presenceMs)
    try {
      const data = this.#options.codecs.decode(envelope, this.#options.messageBytesMax)
      if (envelope.type === replyRejectedType(contract.name)) {
        waiting.reject(rejectedError(contract.name, waiting.id, typeof data === 'object' && data !== null ? data : {}))
        return
      }
      const checked = checkReplyOutput(contract, data)
      if (checked instanceof Promise) checked.then((done) => waiting.resolve(done.value), waiting.reject)
      else waiting.resolve(checked.value)
    } catch (error) {
      waiting.reject(error)
    }
  }

  /** A group without a live consumer answers nobody: say so now, where the transport knows. */
  async #checkPresence(contract: RequestContract): Promise<void> {
    const { transport, clock } = this.#options
    if (!transport.facts.presence || (this.#present.get(contract.channel) ?? 0) > clock.monotonicMs()) return
    const groups = await transport.admin.groups(contract.channel)
    if (groups.some((row) => row.consumers > 0)) {
      this.#present.set(contract.channel, clock.monotonicMs() + presenceMs)
      return
    }
    throw new SluiceError('NO_HANDLER', `nobody handles ${contract.name} now; the request was not sent`, {
      fix: 'Start the service that handles it, or send a command if it may wait',
      details: { request: contract.name, channel: contract.channel },
    })
  }

  #settle(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return undefined
    this.#waiting.delete(id)
    waiting.unlisten?.()
    return waiting
  }

  #arm(deadlineMs: number): void {
    this.#timer?.cancel()
    this.#timerMs = deadlineMs
    this.#timer = this.#options.clock.setTimer(Math.max(0, deadlineMs - this.#options.clock.monotonicMs()), () => this.#expire(), { keepAlive: true })
  }

  #expire(): void {
    const nowMs = this.#options.clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const waiting of [...this.#waiting.values()]) {
      if (waiting.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, waiting.deadlineMs)
        continue
      }
      this.#settle(waiting.id)
      this.#present.delete(waiting.contract.channel)
      waiting.reject(
        new SluiceError('REQUEST_TIMEOUT', `no reply to ${waiting.contract.name} came in time`, {
          fix: 'The request expired with its time-out; look at the handler, or raise timeoutMs',
          details: { request: waiting.contract.name, requestId: waiting.id },
        }),
      )
    }
    this.#timerMs = Number.POSITIVE_INFINITY
    this.#timer = undefined
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs)
  }

  #listenTo(waiting: Waiting, signal: AbortSignal): void {
    const abort = (): void => this.#settle(waiting.id)?.reject(new SluiceError('ABORTED', 'the caller gave up waiting for the reply', { cause: signal.reason }))
    signal.addEventListener('abort', abort, { once: true })
    waiting.unlisten = () => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
  }
}

function stoppedError(): SluiceError {
  return new SluiceError('BUS_STOPPED', 'the bus was stopped', { fix: 'Connect again' })
}

/** Replies are this instance's own: nothing is shared, retried or handed over. */
const silent: ConsumerObserver = {
  assigned: () => {},
  revoking: () => Promise.resolve(),
  lost: () => {},
  lostDeliveries: () => {},
  lotChanged: () => {},
  paused: () => {},
  settlementLost: () => {},
}
