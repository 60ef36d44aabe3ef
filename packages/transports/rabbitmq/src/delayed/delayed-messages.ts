/**
 * Delayed messages: one queue a channel, with a single active consumer. Every process that uses the channel stands by;
 * the active one holds what waits, sorted, publishes what is due and settles it then. Who dies is followed by the next
 * one, who reads the queue from its beginning. Questions (cancel, how many) go through the queue, too: so they reach the
 * one that knows, in the order in which things happened.
 */
import type { Clock, Timer } from '@sluice/core/transport'
import type { Channel, ConsumeMessage, Options } from 'amqplib'
import { AckWindow } from '../consume/ack-window.ts'
import { isMarker } from '../link/held-queue.ts'
import type { Link, LinkUser } from '../link/link.ts'
import type { Instance } from '../member/instance.ts'
import { type Names, routingKey } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import type { Publisher } from '../send/publisher.ts'
import { fromWire, numberOf, storedAgain } from '../wire.ts'

/** The server closes a channel that holds a message for longer than `consumer_timeout` (30 min): read anew before, ms. */
const renewMs = 10 * 60_000
/** Messages that the active one holds at most: what is behind them it does not see, so senders are refused soon (topology.ts). */
const heldMax = 50_000
/** How long the active one may take to answer, ms. */
const patienceMs = 10_000
/** A timer is not set further ahead than this, so that a clock that was set is noticed, ms. */
const lookMsMax = 1_000

/** A question to the active one, as a header. */
export type DelayedQuestion = { readonly cancel: string } | { readonly count: true }

interface Waiting {
  readonly message: ConsumeMessage
  readonly dueMs: number
  readonly id: string
}

/** What all that wait have in common. */
export interface DelayedHome {
  readonly link: Link
  readonly publisher: Publisher
  readonly clock: Clock
  readonly registry: Registry
  readonly instance: Instance
  readonly names: Names
}

/** See the header of this file. */
export class DelayedMessages implements LinkUser {
  readonly #home: DelayedHome
  readonly #used: Set<string> = new Set()
  readonly #keepers: Map<string, Keeper> = new Map()
  #closed = false

  constructor(home: DelayedHome) {
    this.#home = home
  }

  open(): void {
    this.#home.link.use(this)
    this.#home.registry.changes.listen(this.#look)
    this.#look()
  }

  up(): void {
    this.#look()
  }

  down(): void {
    this.#keepers.clear()
  }

  /** This process uses the channel: it stands by for it from now on. */
  touch(channel: string): void {
    if (this.#used.has(channel)) return
    this.#used.add(channel)
    this.#look()
  }

  /** Takes a waiting message away; false if it does not wait (any more). */
  async cancel(channel: string, id: string): Promise<boolean> {
    return (await this.#ask(channel, { cancel: id })) === true
  }

  /** How many wait. */
  async count(channel: string): Promise<number> {
    const count = await this.#ask(channel, { count: true })
    return typeof count === 'number' ? count : 0
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#home.registry.changes.unlisten(this.#look)
    this.#home.link.leave(this)
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.close()))
  }

  async #ask(channel: string, question: DelayedQuestion): Promise<unknown> {
    const { registry, instance, names, publisher } = this.#home
    if (!registry.state.channels.has(channel)) return undefined
    this.touch(channel)
    const reply = await instance.await(patienceMs, (properties) =>
      publisher.put('', names.delayed(channel), Buffer.alloc(0), { ...properties, headers: { 'sluice-question': JSON.stringify(question) } }),
    )
    return typeof reply === 'object' ? reply.answer : undefined
  }

  readonly #look = (): void => {
    if (this.#closed || !this.#home.link.isUp) return
    for (const name of this.#used) {
      if (this.#keepers.has(name) || !this.#home.registry.state.channels.has(name)) continue
      const keeper = new Keeper(this.#home, name, () => {
        if (this.#keepers.get(name) === keeper) this.#keepers.delete(name)
        if (!this.#closed) this.#home.clock.setTimer(100, this.#look)
      })
      this.#keepers.set(name, keeper)
      void keeper.open().catch(() => keeper.lose())
    }
  }
}

/** Stands by for one channel, or keeps its delayed messages. */
class Keeper {
  readonly #home: DelayedHome
  readonly #name: string
  readonly #gone: () => void
  readonly #waiting: Waiting[] = []
  #channel: Channel | undefined
  #acks: AckWindow | undefined
  #timer: Timer | undefined
  #renewal: Timer | undefined
  #releasing = false
  #closed = false

  constructor(home: DelayedHome, name: string, gone: () => void) {
    this.#home = home
    this.#name = name
    this.#gone = gone
  }

  async open(): Promise<void> {
    const channel = await this.#home.link.channel(() => this.lose())
    const acks = new AckWindow(channel, this.#home.names.delayed(this.#name), this.#home.clock)
    this.#channel = channel
    this.#acks = acks
    if (this.#closed) {
      await channel.close().catch(() => undefined)
      return
    }
    await channel.prefetch(heldMax)
    await channel.consume(this.#home.names.delayed(this.#name), (message) => {
      if (message === null) {
        this.lose()
        return
      }
      // We are the active one.
      this.#renewal ??= this.#home.clock.setTimer(renewMs, () => this.lose())
      // Whoever declares the queue asks it whether it lives.
      if (isMarker(message)) acks.ack(message.fields.deliveryTag)
      else this.#take(message)
    })
  }

  /** Ends, and lets another one begin. */
  lose(): void {
    if (this.#closed) return
    void this.close()
    this.#gone()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    this.#renewal?.cancel()
    await this.#acks?.flush().catch(() => undefined)
    await this.#channel?.close().catch(() => undefined)
  }

  #take(message: ConsumeMessage): void {
    const { headers = {}, messageId } = message.properties
    const question: unknown = headers['sluice-question']
    if (typeof question === 'string') {
      this.#answer(message, JSON.parse(question))
      return
    }
    const waiting: Waiting = { message, dueMs: numberOf(headers['sluice-due']) ?? 0, id: String(messageId) }
    let low = 0
    for (let high = this.#waiting.length; low < high; ) {
      const middle = (low + high) >>> 1
      if ((this.#waiting[middle] as Waiting).dueMs <= waiting.dueMs) low = middle + 1
      else high = middle
    }
    this.#waiting.splice(low, 0, waiting)
    if (low === 0) this.#arm()
  }

  #answer(message: ConsumeMessage, question: DelayedQuestion): void {
    this.#acks?.ack(message.fields.deliveryTag)
    let answer: boolean | number = this.#waiting.length
    if ('cancel' in question) {
      const at = this.#waiting.findIndex(({ id }) => id === question.cancel)
      answer = at >= 0
      for (const cancelled of at < 0 ? [] : this.#waiting.splice(at, 1)) this.#acks?.ack(cancelled.message.fields.deliveryTag)
    }
    this.#home.instance.reply(message.properties, { answer })
  }

  #arm(): void {
    this.#timer?.cancel()
    const [first] = this.#waiting
    if (first === undefined || this.#closed || this.#releasing) return
    const { clock } = this.#home
    this.#timer = clock.setTimer(Math.max(0, Math.min(first.dueMs - clock.nowMs(), lookMsMax)), () => void this.#release())
  }

  async #release(): Promise<void> {
    const { clock, publisher, names } = this.#home
    this.#releasing = true
    try {
      const nowMs = clock.nowMs()
      const due: Waiting[] = []
      while ((this.#waiting[0]?.dueMs ?? Infinity) <= nowMs) due.push(this.#waiting.shift() as Waiting)
      await Promise.all(
        due.map(async ({ message }) => {
          const { content, properties, fields } = message
          const { 'sluice-due': _, 'x-delivery-count': __, ...headers } = properties.headers ?? {}
          const options: Options.Publish = { headers: storedAgain(headers, nowMs), persistent: true, messageId: String(properties.messageId) }
          if (typeof properties.contentType === 'string') options.contentType = properties.contentType
          await publisher.put(names.exchange(this.#name), routingKey(fromWire(message, nowMs).envelope), content, options)
          this.#acks?.ack(fields.deliveryTag)
        }),
      )
    } catch {
      // Not stored for sure: read anew, and published again.
      this.lose()
    } finally {
      this.#releasing = false
      this.#arm()
    }
  }
}
