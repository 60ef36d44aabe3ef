/** The connection that listens: it subscribes again whenever it is back, and notices when it is half open. */
import { SluiceError, type Timer, type TransportContext } from '@sluice/core/transport'
import { serverError } from '../errors.ts'
import { openLink } from '../open-link.ts'
import type { RedisTarget } from '../options.ts'
import { Commands } from '../resp/command.ts'
import type { Connection } from '../resp/connection.ts'
import type { Link } from '../resp/link.ts'
import { RedisError, type Reply } from '../resp/reply.ts'

interface Topic {
  readonly onMessage: Set<(payload: string | Uint8Array) => void>
  /** Who waits until the server has confirmed the subscription. */
  waiting: { readonly resolve: () => void; readonly reject: (error: SluiceError) => void }[]
  subscribed: boolean
}

export class Subscriber {
  readonly #context: TransportContext
  readonly #replyTimeoutMs: number
  readonly #topics: Map<string, Topic> = new Map()
  #link: Link | undefined
  #connection: Connection | undefined
  #timer: Timer | undefined
  #heard = true

  private constructor(context: TransportContext, replyTimeoutMs: number) {
    this.#context = context
    this.#replyTimeoutMs = replyTimeoutMs
  }

  static async open(target: RedisTarget, context: TransportContext): Promise<Subscriber> {
    const subscriber = new Subscriber(context, target.replyTimeoutMs)
    const restored = (): void => {
      context.report({ level: 'warn', message: 'connected to Redis again; what was published meanwhile is gone' })
      void subscriber.#attach()
    }
    subscriber.#link = await openLink(target, context, { suffix: '-subscriber', restored })
    await subscriber.#attach()
    subscriber.#listen()
    return subscriber
  }

  /** Resolves when the server has confirmed that what is published from now on comes. */
  subscribe(name: string, onMessage: (payload: string | Uint8Array) => void): Promise<void> {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { onMessage: new Set(), waiting: [], subscribed: false }
      this.#topics.set(name, topic)
      this.#connection?.write(new Commands().add('SUBSCRIBE', name))
    }
    topic.onMessage.add(onMessage)
    if (topic.subscribed) return Promise.resolve()
    const { waiting } = topic
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }

  unsubscribe(name: string, onMessage: (payload: string | Uint8Array) => void): void {
    const topic = this.#topics.get(name)
    topic?.onMessage.delete(onMessage)
    if (topic === undefined || topic.onMessage.size > 0) return
    this.#topics.delete(name)
    this.#connection?.write(new Commands().add('UNSUBSCRIBE', name))
  }

  close(): void {
    this.#timer?.cancel()
    this.#link?.close()
    for (const { waiting } of this.#topics.values())
      for (const { reject } of waiting) reject(new SluiceError('TRANSPORT_CLOSED', 'the connection to Redis was closed'))
    this.#topics.clear()
  }

  async #attach(): Promise<void> {
    const connection = await this.#link?.ready(0).catch(() => undefined)
    if (connection === undefined) return
    this.#connection = connection
    this.#heard = true
    connection.onPush = (reply) => this.#pushed(reply)
    const names = [...this.#topics.keys()]
    for (const topic of this.#topics.values()) topic.subscribed = false
    if (names.length > 0) connection.write(new Commands().add('SUBSCRIBE', ...names))
  }

  // A connection that is half open says nothing at all: a ping must come back before the next one.
  #listen(): void {
    this.#timer = this.#context.clock.setTimer(this.#replyTimeoutMs, () => {
      this.#listen()
      const connection = this.#connection
      if (connection === undefined || connection.ended) return
      if (!this.#heard) connection.end(`the server did not answer for ${this.#replyTimeoutMs} ms`)
      this.#heard = false
      connection.write(new Commands().add('PING'))
    })
  }

  #pushed(reply: Reply): void {
    this.#heard = true
    if (reply instanceof RedisError) {
      this.#refused(serverError(reply).error)
      return
    }
    if (!Array.isArray(reply)) return
    const [kind, name, payload] = reply as readonly Reply[]
    const topic = typeof name === 'string' ? this.#topics.get(name) : undefined
    if (kind === 'subscribe' && topic !== undefined) {
      topic.subscribed = true
      for (const { resolve } of topic.waiting.splice(0)) resolve()
    }
    if (kind !== 'message' || (typeof payload !== 'string' && !(payload instanceof Uint8Array))) return
    for (const onMessage of topic?.onMessage ?? []) onMessage(payload)
  }

  // Which of them it was, the server does not say: whoever waits is told, and those that had worked before go on.
  #refused(error: SluiceError): void {
    for (const [name, topic] of this.#topics) {
      if (topic.subscribed) continue
      if (topic.waiting.length === 0) this.#context.report({ level: 'error', message: `${name} cannot be subscribed any more: ${error.message}`, error })
      else this.#topics.delete(name)
      for (const { reject } of topic.waiting.splice(0)) reject(error)
    }
  }
}
