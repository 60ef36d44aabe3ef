/**
 * One connection to the server or cluster, opened again by itself, to any of its hosts. What lives on a connection (its
 * channels, consumers, unconfirmed messages) dies with it; its users hear `down`, and set themselves up anew at `up`.
 */
import { readFileSync } from 'node:fs'
import { keyHash, type Timer, type TransportContext } from '@sluice/core/transport'
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import type { Address, RabbitOptions } from '../options.ts'
import { brokenError, closedError, connectError, isNotFound, tooOld } from './errors.ts'
import { insideOf } from './inside.ts'
import { readWhole } from './message-reader.ts'

/** Users of a link, called in the order in which they came. */
export interface LinkUser {
  /** A new connection is there. When it rejects it is called again, until the connection goes. */
  up?(): void | Promise<void>
  /** The connection is gone, and with it all that was on it. */
  down?(): void
  /** The server takes no messages for now (memory or disk alarm). */
  blocked?(blocked: boolean): void
}

const backOffMs = { min: 50, max: 1_000 }
const connectTimeoutMs = 10_000
/** A user that could not set itself up tries again after this, ms. */
const raiseAgainMs = 500
/** Each refused request of others takes ours along once. */
const askTriesMax = 100

/** See the header of this file. */
export class Link {
  readonly #address: Address
  readonly #options: RabbitOptions
  readonly #context: TransportContext
  readonly #role: string
  readonly #users: Set<LinkUser> = new Set()
  #model: ChannelModel | undefined
  #alarm: string | undefined
  #scratch: Promise<Channel> | undefined
  /** Of the hosts; the first one by chance, so that members spread over a cluster. */
  #turn: number
  #tries = 0
  #timer: Timer | undefined
  #closed = false

  constructor(address: Address, options: RabbitOptions, context: TransportContext, role: string) {
    this.#address = address
    this.#options = options
    this.#context = context
    this.#role = role
    this.#turn = keyHash(`${context.instanceId} ${role}`) % address.hosts.length
  }

  /** The first connection; rejects when no host takes it. */
  async open(): Promise<void> {
    let last: unknown
    for (let n = 0; n < this.#address.hosts.length; n++) {
      try {
        await this.#connect()
        return
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  get isUp(): boolean {
    return this.#model !== undefined
  }

  /** Why the server takes no messages of this connection; undefined: it does. It says so to whoever publishes. */
  get alarm(): string | undefined {
    return this.#alarm
  }

  /** What the server says about itself. */
  get serverVersion(): string {
    const { version } = this.#model?.connection.serverProperties ?? {}
    return typeof version === 'string' ? version : 'unknown'
  }

  use(user: LinkUser): void {
    this.#users.add(user)
  }

  leave(user: LinkUser): void {
    this.#users.delete(user)
  }

  /** A channel of its user's own; an error of it reaches its `close` handler only. */
  async channel(closed?: (error: Error | undefined) => void): Promise<Channel> {
    return watch(await this.#must().createChannel(), closed)
  }

  async confirmChannel(closed?: (error: Error | undefined) => void): Promise<ConfirmChannel> {
    return watch(await this.#must().createConfirmChannel(), closed)
  }

  /**
   * A shared channel for requests that may be repeated. A refused one closes it, and takes those behind it along: they
   * are asked again on its successor.
   */
  async ask<T>(request: (channel: Channel) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await request(await this.#shared())
      } catch (error) {
        const isOwnFault = error instanceof Error && 'code' in error
        if (!this.isUp) throw brokenError(error)
        if (isOwnFault || tries === askTriesMax) throw error
      }
    }
  }

  #shared(): Promise<Channel> {
    if (this.#scratch !== undefined) return this.#scratch
    const scratch = this.channel(() => {
      if (this.#scratch === scratch) this.#scratch = undefined
    })
    this.#scratch = scratch
    scratch.catch(() => {
      if (this.#scratch === scratch) this.#scratch = undefined
    })
    return scratch
  }

  /** A channel for requests that may be refused; closed after them. */
  async askApart<T>(request: (channel: Channel) => Promise<T>): Promise<T> {
    let open = true
    const channel = await this.channel(() => {
      open = false
    })
    try {
      return await request(channel)
    } finally {
      if (open) await channel.close().catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    const model = this.#model
    this.#model = undefined
    await model?.close().catch(() => undefined)
  }

  /** For tests: the socket is gone without a word, and stays so. */
  destroy(): void {
    this.#closed = true
    this.#timer?.cancel()
    const { connection } = this.#model ?? {}
    this.#model = undefined
    const inside = connection === undefined ? undefined : insideOf(connection)
    inside?.stream.destroy()
    // It does not see that, and would keep the process alive for two of its intervals.
    inside?.heartbeater?.clear()
  }

  #must(): ChannelModel {
    if (this.#closed) throw closedError()
    if (this.#model === undefined) throw brokenError()
    return this.#model
  }

  async #connect(): Promise<void> {
    const { hosts, tls, user, password, vhost } = this.#address
    const { host, port } = hosts[this.#turn++ % hosts.length] as (typeof hosts)[number]
    const { ca, cert, key, heartbeatS } = this.#options
    let model: ChannelModel
    try {
      model = await connect(
        { protocol: tls ? 'amqps' : 'amqp', hostname: host, port, username: user, password, vhost, heartbeat: heartbeatS, frameMax: 131_072 },
        {
          noDelay: true,
          timeout: connectTimeoutMs,
          // Its capabilities stay amqplib's: with others the server neither says that a queue was deleted nor why it refuses us.
          clientProperties: { connection_name: `${this.#context.service} ${this.#role} (Sluice)` },
          ...(ca === undefined ? {} : { ca: [readFileSync(ca)] }),
          ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
          ...(key === undefined ? {} : { key: readFileSync(key) }),
        },
      )
    } catch (error) {
      throw connectError(error, `${host}:${port}`)
    }
    if (this.#closed) {
      await model.close().catch(() => undefined)
      throw closedError()
    }
    const { version } = model.connection.serverProperties
    const refusal = tooOld(typeof version === 'string' ? version : '', `${host}:${port}`)
    if (refusal !== undefined) {
      await model.close().catch(() => undefined)
      throw refusal
    }
    readWhole(model.connection)
    this.#model = model
    this.#tries = 0
    let cause: Error | undefined
    model.on('error', (error: Error) => {
      cause = error
    })
    model.on('close', (error?: Error) => this.#down(model, error ?? cause))
    model.on('blocked', (reason: string) => this.#blocked(true, reason))
    model.on('unblocked', () => this.#blocked(false, ''))
  }

  #blocked(blocked: boolean, reason: string): void {
    this.#alarm = blocked ? reason : undefined
    this.#context.report({
      level: blocked ? 'warn' : 'info',
      message: blocked ? `RabbitMQ takes no messages (${reason}): publishing waits` : 'RabbitMQ takes messages again',
    })
    for (const user of this.#users) user.blocked?.(blocked)
  }

  #down(model: ChannelModel, cause: Error | undefined): void {
    if (this.#model !== model) return
    this.#model = undefined
    this.#alarm = undefined
    this.#scratch = undefined
    for (const user of this.#users) user.down?.()
    if (this.#closed) return
    this.#context.report({ level: 'warn', message: `the ${this.#role} connection to RabbitMQ broke; it is opened again`, error: brokenError(cause) })
    this.#again()
  }

  #again(): void {
    if (this.#closed) return
    const delayMs = Math.min(backOffMs.max, backOffMs.min * 2 ** this.#tries++) * (0.75 + (keyHash(`${this.#context.instanceId} ${this.#tries}`) % 512) / 1024)
    this.#timer = this.#context.clock.setTimer(delayMs, () => {
      this.#connect().then(
        () => this.#up(),
        () => this.#again(),
      )
    })
  }

  #up(): void {
    this.#context.report({ level: 'info', message: `the ${this.#role} connection to RabbitMQ is there again` })
    for (const user of this.#users) void this.#raise(user, this.#model)
  }

  /** A server that has just begun refuses what it grants a moment later: who could not set itself up tries until it can. */
  async #raise(user: LinkUser, model: ChannelModel | undefined): Promise<void> {
    try {
      await user.up?.()
    } catch (error) {
      const isOurs = (): boolean => this.#model === model && this.#users.has(user)
      if (!isOurs()) return
      this.#context.report({ level: 'warn', message: `the ${this.#role} connection to RabbitMQ cannot be used yet: ${String(error)}` })
      this.#context.clock.setTimer(raiseAgainMs, () => {
        if (isOurs()) void this.#raise(user, model)
      })
    }
  }
}

/** Messages in a queue that nobody holds; undefined: there is no such queue. */
export async function messageCount(link: Link, queue: string): Promise<number | undefined> {
  try {
    return (await link.ask((channel) => channel.checkQueue(queue))).messageCount
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Without a listener an error of a channel would end the connection. */
function watch<C extends Channel>(channel: C, closed?: (error: Error | undefined) => void): C {
  let cause: Error | undefined
  channel.on('error', (error: Error) => {
    cause = error
  })
  channel.on('close', () => closed?.(cause))
  return channel
}
