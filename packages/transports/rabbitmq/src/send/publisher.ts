/**
 * Publishes with confirms and `mandatory`: a message is stored when its confirm came and it was not returned before.
 * A NACK, a confirm that is too late or a broken connection make everything unconfirmed `unknown`, and the channel is
 * opened anew: on a new one the queue's new leader is found, on the old one every publish would be refused.
 */
import { type Clock, SluiceError, type Timer } from '@sluice/core/transport'
import type { Channel, ConfirmChannel, Message, Options } from 'amqplib'
import { brokenError } from '../link/errors.ts'
import type { Link, LinkUser } from '../link/link.ts'
import { PublishWriter } from './publish-writer.ts'

/** How one message ended: stored, or not. */
export type Outcome = undefined | { readonly state: 'failed' | 'unknown'; readonly error: SluiceError; readonly retryable: boolean; readonly refused?: true }

/** Told once for each message, in any order. */
export interface Receiver {
  settled(index: number, outcome: Outcome): void
}

interface Unconfirmed {
  readonly receiver: Receiver
  readonly index: number
  readonly sentMs: number
  returned: boolean
  readonly messageId: string
}

/** What is written and not confirmed yet; beyond, senders wait. */
const unconfirmedMax = 4_096

/** A message of our own that its queue refuses is tried again so often. */
const refusalsMax = 20

/** A channel that could not be opened is tried again after this, ms. */
const openAgainMs = 500

/** See the header of this file. */
export class Publisher implements LinkUser {
  readonly #link: Link
  readonly #clock: Clock
  readonly #confirmTimeoutMs: number
  #channel: ConfirmChannel | undefined
  /** Of the channel. */
  #writer: PublishWriter | undefined
  #opening: Promise<ConfirmChannel> | undefined
  /** Without confirms. */
  #plain: Promise<Channel> | undefined
  /** By delivery tag; insertion order is tag order. */
  #unconfirmed: Map<number, Unconfirmed> = new Map()
  #nextTag = 1
  #timer: Timer | undefined
  #blocked = false
  readonly #waiting: (() => void)[] = []
  /** Messages of `put` that wait for room, one after the other. */
  #line: Promise<void> = Promise.resolve()
  #inLine = 0
  #closed = false

  constructor(link: Link, clock: Clock, confirmTimeoutMs: number) {
    this.#link = link
    this.#clock = clock
    this.#confirmTimeoutMs = confirmTimeoutMs
    link.use(this)
  }

  /** Resolves when there is room for another message; undefined: there is. */
  room(): Promise<void> | undefined {
    if (!this.#blocked && this.#unconfirmed.size < unconfirmedMax && this.#channel !== undefined) return undefined
    return this.#room()
  }

  /** Writes one message; call it right after {@link room} said yes. */
  publish(exchange: string, key: string, content: Buffer | string, properties: Options.Publish, receiver: Receiver, index: number): void {
    const channel = this.#channel
    const writer = this.#writer
    if (channel === undefined || writer === undefined) {
      receiver.settled(index, { state: 'failed', error: brokenError(), retryable: true })
      return
    }
    const { messageId = '' } = properties
    this.#unconfirmed.set(this.#nextTag++, { receiver, index, sentMs: this.#clock.monotonicMs(), returned: false, messageId })
    try {
      writer.write(exchange, key, content, properties)
    } catch (error) {
      this.#renew(channel, brokenError(error))
      return
    }
    this.#timer ??= this.#watchTime()
  }

  /** Gives the socket now what was published; else it gets it when the event loop's turn is over. */
  flush(): void {
    this.#writer?.flush()
  }

  /** One message, to its end; rejects if it is not stored. Written in the order of the calls. */
  put(exchange: string, key: string, content: Buffer | string, properties: Options.Publish): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      let triesLeft = exchange === '' ? refusalsMax : 0
      const settled = (_: number, outcome: Outcome): void => {
        if (outcome === undefined) resolve()
        else if (outcome.refused !== true || triesLeft-- === 0) reject(outcome.error)
        // The one queue that it goes to did not take it: to the second of two that declare it at once the server says yes before it lives.
        else this.#clock.setTimer(openAgainMs / 5, () => void (this.room() ?? Promise.resolve()).then(write))
      }
      const receiver: Receiver = { settled }
      const write = (): void => this.publish(exchange, key, content, properties, receiver, 0)
      if (this.#inLine === 0 && this.room() === undefined) {
        write()
        return
      }
      this.#inLine++
      this.#line = this.#line.then(async () => {
        await this.room()
        this.#inLine--
        write()
      })
    })
  }

  /**
   * Writes an empty message to a queue without a confirm. It may be lost: whoever needs it repeats it. What a queue refuses
   * (it is being deleted) takes nothing else along.
   */
  hint(queue: string, properties: Options.Publish): void {
    if (this.#closed || this.#blocked) return
    this.#plain ??= this.#link.channel(() => {
      this.#plain = undefined
    })
    this.#plain.then(
      (channel) => {
        try {
          channel.publish('', queue, Buffer.alloc(0), properties)
        } catch {
          // The channel is gone.
        }
      },
      () => {
        this.#plain = undefined
      },
    )
  }

  down(): void {
    this.#plain = undefined
    const channel = this.#channel
    if (channel !== undefined) this.#renew(channel, brokenError())
    this.#blocked = false
  }

  up(): void {
    this.#wake()
  }

  blocked(blocked: boolean): void {
    this.#blocked = blocked
    if (!blocked) this.#wake()
  }

  /** Waits for the confirms of what was written. */
  async close(): Promise<void> {
    this.#closed = true
    const untilMs = this.#clock.monotonicMs() + this.#confirmTimeoutMs
    while (this.#unconfirmed.size > 0 && this.#link.isUp && this.#clock.monotonicMs() < untilMs)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    this.#timer?.cancel()
    this.#link.leave(this)
    this.#wake()
  }

  async #room(): Promise<void> {
    while (!this.#closed) {
      if (!this.#blocked && this.#unconfirmed.size < unconfirmedMax) {
        if (this.#channel !== undefined) return
        try {
          this.#channel = await this.#open()
          continue
        } catch {
          // Whoever publishes now is told so.
          if (!this.#link.isUp) return
          this.#clock.setTimer(openAgainMs, () => this.#wake())
        }
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
  }

  #open(): Promise<ConfirmChannel> {
    this.#opening ??= this.#openNow().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #openNow(): Promise<ConfirmChannel> {
    let channel: ConfirmChannel | undefined
    channel = await this.#link.confirmChannel((cause) => {
      if (channel !== undefined && this.#channel === channel) this.#renew(channel, brokenError(cause))
    })
    this.#nextTag = 1
    this.#unconfirmed = new Map()
    this.#writer = new PublishWriter(channel)
    // amqplib keeps a callback a message for these; without callbacks the events tell the same, a range at a time.
    channel.on('ack', ({ deliveryTag, multiple }) => this.#confirmed(deliveryTag, multiple))
    channel.on('nack', ({ deliveryTag, multiple }) => {
      const error = new SluiceError('TRANSPORT_FAILED', 'RabbitMQ refused a message (NACK): its queue has no leader, or is full', { fix: 'It is sent again' })
      if (channel !== undefined) this.#renew(channel, error, (tag) => (multiple ? tag <= deliveryTag : tag === deliveryTag))
    })
    channel.on('return', (message) => this.#returned(message))
    return channel
  }

  #confirmed(tag: number, multiple: boolean): void {
    if (!multiple) this.#confirm(tag)
    else
      for (const each of this.#unconfirmed.keys()) {
        if (each > tag) break
        this.#confirm(each)
      }
    this.#wake()
  }

  #confirm(tag: number): void {
    const entry = this.#unconfirmed.get(tag)
    if (entry === undefined) return
    this.#unconfirmed.delete(tag)
    entry.receiver.settled(entry.index, entry.returned ? unrouted() : undefined)
  }

  // The return of a message comes before its confirm.
  #returned({ properties }: Message): void {
    for (const entry of this.#unconfirmed.values())
      if (!entry.returned && entry.messageId === properties.messageId) {
        entry.returned = true
        return
      }
  }

  /** Everything unconfirmed is unknown from here on, in the order in which it was written. */
  #renew(channel: ConfirmChannel, error: SluiceError, isRefused?: (tag: number) => boolean): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    // What it has not given to the socket yet must not come behind the channel's end.
    this.#writer = undefined
    const unknown = [...this.#unconfirmed]
    this.#unconfirmed = new Map()
    channel.close().catch(() => undefined)
    for (const [tag, { receiver, index }] of unknown)
      receiver.settled(index, { state: 'unknown', error, retryable: true, ...(isRefused?.(tag) === true ? { refused: true } : {}) })
    this.#wake()
  }

  #watchTime(): Timer {
    return this.#clock.setTimer(Math.max(50, this.#confirmTimeoutMs / 4), () => {
      this.#timer = undefined
      const [oldest] = this.#unconfirmed.values()
      if (oldest === undefined) return
      if (this.#channel !== undefined && !this.#blocked && this.#clock.monotonicMs() - oldest.sentMs > this.#confirmTimeoutMs)
        this.#renew(this.#channel, new SluiceError('TRANSPORT_FAILED', `RabbitMQ confirmed nothing for ${this.#confirmTimeoutMs} ms`))
      this.#timer ??= this.#watchTime()
    })
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function unrouted(): Outcome {
  return { state: 'failed', error: new SluiceError('UNROUTED', 'no queue takes this message'), retryable: false }
}
