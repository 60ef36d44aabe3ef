import type { Clock, OutgoingMessage, SendFailure, SendReport } from '@sluice/core/transport'
import { SluiceError } from '@sluice/core/transport'
import type { DelayedMessages } from '../delayed/delayed-messages.ts'
import { type Names, routingKey } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import { messageBytesMax, toWire } from '../wire.ts'
import type { Outcome, Publisher, Receiver } from './publisher.ts'

/** One call of `send`, until every entry has its outcome. */
class Batch implements Receiver {
  readonly failures: SendFailure[] = []
  readonly settledAll: Promise<void>
  #left: number
  #resolve = (): void => {}

  constructor(count: number) {
    this.#left = count
    this.settledAll = new Promise((resolve) => {
      this.#resolve = resolve
    })
    if (count === 0) this.#resolve()
  }

  settled(index: number, outcome: Outcome): void {
    if (outcome !== undefined) {
      const { state, error, retryable } = outcome
      this.failures.push({ index, state, error, retryable })
    }
    if (--this.#left === 0) this.#resolve()
  }
}

/** Sends batches, one after the other, so that messages are written in the order of the calls. */
export class Sender {
  readonly #publisher: Publisher
  /** A queue of delayed messages that is full refuses, and makes unknown what else its channel has not confirmed. */
  readonly #delayedPublisher: Publisher
  readonly #registry: Registry
  readonly #names: Names
  readonly #clock: Clock
  readonly #delayed: DelayedMessages
  #writing: Promise<void> = Promise.resolve()
  #waiting = 0
  readonly #open: Set<Promise<void>> = new Set()

  constructor(publisher: Publisher, delayedPublisher: Publisher, registry: Registry, names: Names, clock: Clock, delayed: DelayedMessages) {
    this.#delayed = delayed
    this.#publisher = publisher
    this.#delayedPublisher = delayedPublisher
    this.#registry = registry
    this.#names = names
    this.#clock = clock
  }

  async send(messages: readonly OutgoingMessage[]): Promise<SendReport> {
    const batch = new Batch(messages.length)
    this.#open.add(batch.settledAll)
    if (this.#waiting === 0 && this.#publisher.room() === undefined && messages.every(({ channel }) => this.#registry.state.channels.has(channel))) {
      this.#waiting++
      const writing = this.#write(messages, batch).finally(() => this.#waiting--)
      this.#writing = writing
      await writing
    } else {
      this.#waiting++
      const before = this.#writing
      this.#writing = before.then(() => this.#write(messages, batch)).finally(() => this.#waiting--)
      await this.#writing
    }
    await batch.settledAll
    this.#open.delete(batch.settledAll)
    return { failures: batch.failures.toSorted((a, b) => a.index - b.index) }
  }

  async close(): Promise<void> {
    await this.#writing
    await Promise.all(this.#open)
  }

  async #write(messages: readonly OutgoingMessage[], batch: Batch): Promise<void> {
    // A channel that another process declared a moment ago may not be known here yet.
    if (messages.some(({ channel }) => !this.#registry.state.channels.has(channel))) await this.#registry.sync().catch(() => undefined)
    const nowMs = this.#clock.nowMs()
    for (const [index, message] of messages.entries()) {
      const refusal = this.#refusal(message)
      if (refusal !== undefined) {
        batch.settled(index, { state: 'failed', error: refusal, retryable: false })
        continue
      }
      const full = this.#publisher.room()
      if (full !== undefined) await full
      const dueMs = message.notBeforeMs ?? 0
      if (dueMs > nowMs) {
        await this.#writeDelayed(message, dueMs, nowMs, batch, index)
        continue
      }
      const { content, properties } = toWire(message.envelope, message.sizeBytes, nowMs)
      if (this.#registry.state.channels.has(message.channel))
        this.#publisher.publish(this.#names.exchange(message.channel), routingKey(message.envelope), content, properties, batch, index)
      else this.#publisher.publish('', this.#names.reply(message.channel), content, properties, batch, index)
    }
    this.#publisher.flush()
  }

  async #writeDelayed(message: OutgoingMessage, dueMs: number, nowMs: number, batch: Batch, index: number): Promise<void> {
    this.#delayed.touch(message.channel)
    const { content, properties } = toWire(message.envelope, message.sizeBytes, nowMs, { 'sluice-due': dueMs })
    await this.#delayedPublisher.room()
    this.#delayedPublisher.publish('', this.#names.delayed(message.channel), content, properties, batch, index)
  }

  #refusal({ channel, sizeBytes, rejectUnrouted }: OutgoingMessage): SluiceError | undefined {
    if (sizeBytes > messageBytesMax) return new SluiceError('MESSAGE_TOO_LARGE', `the message has ${sizeBytes} bytes, and ${messageBytesMax} are allowed`)
    if (rejectUnrouted === true && this.#registry.state.channels.has(channel) && this.#registry.state.groups(channel).length === 0)
      return new SluiceError('UNROUTED', `no group asks for the events of channel "${channel}"`)
    return undefined
  }
}
