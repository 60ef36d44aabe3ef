/**
 * This process as others reach it: an exclusive queue, which the server removes with our connection. A message to it that
 * comes back unroutable says that we are dead; one that is answered carries what only we know (what we hold).
 */
import { type Clock, newId, type Timer } from '@sluice/core/transport'
import type { Channel, ConsumeMessage, Message } from 'amqplib'
import type { Link, LinkUser } from '../link/link.ts'
import type { Registry } from '../registry/registry.ts'

/** A question to a member. */
export type Question =
  | { readonly ask: 'alive' }
  | { readonly ask: 'holdings'; readonly channel: string; readonly group: string }
  | { readonly ask: 'drop'; readonly channel: string; readonly group: string }
  | { readonly ask: 'look-at-lot'; readonly channel: string; readonly group: string; readonly partition: string }

/** Answers of one kind or another, as JSON. */
export type Answer = Readonly<Record<string, unknown>>

/** What became of a question: an answer, nobody there, or no answer in time. */
export type Reply = Answer | 'dead' | 'silent'

/** How often neighbours are looked at, ms. */
const lookMs = 400
/** Neighbours that one member looks at. */
const neighboursMax = 8

interface Pending {
  readonly resolve: (reply: Reply) => void
  readonly timer: Timer
}

/** See the header of this file. */
export class Instance implements LinkUser {
  readonly id: string
  readonly #queueOf: (instance: string) => string
  readonly #link: Link
  /** Questions and answers go out here: an alarm stops the server from reading a connection that publishes. */
  readonly #publishing: Link
  readonly #asker: LinkUser = {
    up: () => this.#openAsking(),
    down: () => this.#stopAsking(),
    blocked: (blocked) => {
      this.#blocked = blocked
    },
  }
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #answer: (question: Question) => Answer | Promise<Answer>
  readonly #pending: Map<string, Pending> = new Map()
  #channel: Channel | undefined
  #asking: Channel | undefined
  #blocked = false
  #timer: Timer | undefined
  #looking = false
  #closed = false

  constructor(
    id: string,
    link: Link,
    publishing: Link,
    clock: Clock,
    registry: Registry,
    queueOf: (instance: string) => string,
    answer: (question: Question) => Answer | Promise<Answer>,
  ) {
    this.id = id
    this.#link = link
    this.#publishing = publishing
    this.#clock = clock
    this.#registry = registry
    this.#queueOf = queueOf
    this.#answer = answer
  }

  async open(): Promise<void> {
    await Promise.all([this.up(), this.#openAsking()])
    this.#link.use(this)
    this.#publishing.use(this.#asker)
    this.#arm()
  }

  async up(): Promise<void> {
    const channel = await this.#link.channel()
    const queue = this.#queueOf(this.id)
    await channel.assertQueue(queue, { exclusive: true, autoDelete: true, durable: false })
    await channel.consume(queue, (message) => void this.#take(channel, message), { noAck: true })
    this.#channel = channel
  }

  down(): void {
    this.#channel = undefined
    this.#allSilent()
  }

  async #openAsking(): Promise<void> {
    const channel = await this.#publishing.channel()
    channel.on('return', ({ properties }: Message) => this.#settle(String(properties.messageId), 'dead'))
    this.#asking = channel
  }

  #stopAsking(): void {
    this.#asking = undefined
    // A new connection is told anew.
    this.#blocked = false
    this.#allSilent()
  }

  #allSilent(): void {
    for (const id of this.#pending.keys()) this.#settle(id, 'silent')
  }

  /** Where to write to; undefined: nowhere now. What waits for the end of an alarm would all be asked at once then. */
  #outlet(): Channel | undefined {
    return this.#blocked || this.#channel === undefined ? undefined : this.#asking
  }

  /** Asks a member; a member on its own asks itself without the server. */
  async ask(instance: string, question: Question, patienceMs: number): Promise<Reply> {
    if (instance === this.id) return this.#answer(question)
    const channel = this.#outlet()
    if (channel === undefined) return 'silent'
    const id = newId()
    return new Promise<Reply>((resolve) => {
      const timer = this.#clock.setTimer(patienceMs, () => this.#settle(id, 'silent'))
      this.#pending.set(id, { resolve, timer })
      channel.publish('', this.#queueOf(instance), Buffer.from(JSON.stringify(question)), {
        messageId: id,
        replyTo: this.#queueOf(this.id),
        mandatory: true,
        persistent: false,
        expiration: Math.ceil(patienceMs),
      })
    })
  }

  /** Waits for a reply to what `send` publishes with these properties, whoever gives it. */
  async await(patienceMs: number, send: (properties: { readonly messageId: string; readonly replyTo: string }) => Promise<void>): Promise<Reply> {
    const messageId = newId()
    const reply = new Promise<Reply>((resolve) => {
      const timer = this.#clock.setTimer(patienceMs, () => this.#settle(messageId, 'silent'))
      this.#pending.set(messageId, { resolve, timer })
    })
    await send({ messageId, replyTo: this.#queueOf(this.id) })
    return reply
  }

  /** Replies to such a question. */
  reply({ replyTo, messageId }: Message['properties'], answer: Answer): void {
    if (typeof replyTo === 'string')
      this.#outlet()?.publish('', replyTo, Buffer.from(JSON.stringify(answer)), { correlationId: String(messageId), persistent: false })
  }

  /** Asks whether these live, and strikes the dead from the registry. Resolves to those that live, or do not answer. */
  async findDead(instances: readonly string[]): Promise<readonly string[]> {
    const replies = await Promise.all(instances.map((instance) => this.ask(instance, { ask: 'alive' }, 1_000)))
    const dead = instances.filter((_, i) => replies[i] === 'dead')
    await Promise.all(dead.map((instance) => this.#registry.append({ op: 'dead', instance })))
    return instances.filter((_, i) => replies[i] !== 'dead')
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#link.leave(this)
    this.#publishing.leave(this.#asker)
    this.#allSilent()
    await Promise.all([this.#channel, this.#asking].map((channel) => channel?.close().catch(() => undefined)))
  }

  #arm(): void {
    if (this.#closed) return
    this.#timer = this.#clock.setTimer(lookMs, () => {
      this.#arm()
      void this.#look()
    })
  }

  /** Each looks at those behind it, so that everybody is looked at, and by few. */
  async #look(): Promise<void> {
    if (this.#looking || this.#outlet() === undefined) return
    this.#looking = true
    try {
      const all = this.#registry.state.neighbours(this.id)
      const from = all.findIndex((instance) => instance > this.id)
      const ring = from < 0 ? all : [...all.slice(from), ...all.slice(0, from)]
      await this.findDead(ring.slice(0, neighboursMax))
    } catch {
      // The connection is gone: its end is told elsewhere, and the next look is soon.
    } finally {
      this.#looking = false
    }
  }

  async #take(channel: Channel, message: ConsumeMessage | null): Promise<void> {
    if (message === null) return
    const { correlationId } = message.properties
    const body: unknown = JSON.parse(message.content.toString())
    if (typeof correlationId === 'string') {
      this.#settle(correlationId, body as Answer)
      return
    }
    const answer = await this.#answer(body as Question)
    if (this.#channel === channel) this.reply(message.properties, answer)
  }

  #settle(id: string, reply: Reply): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    pending.timer.cancel()
    pending.resolve(reply)
  }
}
