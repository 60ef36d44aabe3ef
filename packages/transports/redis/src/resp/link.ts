/**
 * A connection that heals: opened again with growing pauses until it is closed. What was under way when it broke fails
 * with {@link ConnectionEnded}; nothing is sent twice here.
 */
import type { Clock, Timer } from '@sluice/core/transport'
import type { RedisTarget } from '../options.ts'
import { type Script, type ScriptName, scripts } from '../script/scripts.ts'
import { Commands, type Word } from './command.ts'
import { type Connection, ConnectionEnded } from './connection.ts'
import { Discovery, type Found } from './discovery.ts'
import { RedisError, type Reply, type Source } from './reply.ts'

const pauseMsMin = 20
const pauseMsMax = 2_000
/** While a cluster moves the slot a script is refused, having done nothing; it is tried again after this time, ms, so many times. */
const movingMs = 100
const movingTries = 50

export interface LinkEvents {
  /** It broke; it is being opened again. */
  lost(why: Error | undefined): void
  /** It is back; `moved`: at another place than before. */
  restored(link: Link, moved: boolean): void
}

export class Link {
  readonly #discovery: Discovery
  readonly #clock: Clock
  readonly #events: LinkEvents
  #connection: Connection | undefined
  #found: Found | undefined
  #waiting: ((connection: Connection | undefined) => void)[] = []
  #timer: Timer | undefined
  #pauseMs = pauseMsMin
  #closed = false

  private constructor(target: RedisTarget, clock: Clock, name: string, events: LinkEvents) {
    this.#discovery = new Discovery(target, clock, name)
    this.#clock = clock
    this.#events = events
  }

  /** Resolves when it is connected for the first time; rejects with what went wrong. */
  static async open(target: RedisTarget, clock: Clock, name: string, events: LinkEvents): Promise<Link> {
    const link = new Link(target, clock, name, events)
    await link.#connect()
    return link
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  /** Number that the server gave this connection (CLIENT ID), to unblock it; 0: unknown. */
  get clientId(): number {
    return this.#found?.clientId ?? 0
  }

  /** Which start of which server it is, or was last, connected to; '' where the server does not tell. */
  get runId(): string {
    return this.#found?.runId ?? ''
  }

  /** Whether the server is a node of a cluster. */
  get cluster(): boolean {
    return this.#found?.cluster === true
  }

  /** Connects anew: the server that it is connected to is not the right one. */
  reconnect(): void {
    this.#connection?.end('the other connections found another server')
  }

  /** The connection, at once or as soon as there is one again; rejects after `waitMs`. */
  async ready(waitMs: number): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection
    if (this.#closed) throw new ConnectionEnded('the connection was closed')
    const found = await new Promise<Connection | undefined>((resolve) => {
      const timer = this.#clock.setTimer(waitMs, () => resolve(undefined))
      this.#waiting.push((connection) => {
        timer.cancel()
        resolve(connection)
      })
    })
    if (found === undefined) throw new ConnectionEnded('the server cannot be reached')
    return found
  }

  /** Sends commands now; fails at once while there is no connection. */
  call<T>(commands: Commands, read: (source: Source) => T): Promise<T> {
    return this.#connection === undefined ? Promise.reject(new ConnectionEnded('the server cannot be reached')) : this.#connection.call(commands, read)
  }

  /** One command. Rejects with {@link RedisError} where the server says so. */
  async command(...words: readonly Word[]): Promise<Reply> {
    if (this.#connection === undefined) throw new ConnectionEnded('the server cannot be reached')
    const [reply] = await this.#connection.replies(new Commands().add(...words))
    if (reply instanceof RedisError) throw reply
    return reply as Reply
  }

  /** Runs a script on a channel's stream key. Waits while a cluster moves the slot. */
  async run(name: ScriptName, key: string, ...args: readonly Word[]): Promise<Reply> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#run(scripts[name], key, args)
      } catch (error) {
        if (tries === movingTries || this.#closed || !(error instanceof RedisError && (error.kind === 'ASK' || error.kind === 'TRYAGAIN'))) throw error
        await new Promise<void>((resolve) => void this.#clock.setTimer(movingMs, resolve))
      }
    }
  }

  // A server that forgot a script is told it again: the call has done nothing.
  async #run({ sha, source }: Script, key: string, args: readonly Word[]): Promise<Reply> {
    try {
      return await this.command('EVALSHA', sha, 1, key, ...args)
    } catch (error) {
      if (!(error instanceof RedisError && error.kind === 'NOSCRIPT')) throw error
      return this.command('EVAL', source, 1, key, ...args)
    }
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#connection?.end('it was closed')
    this.#connection = undefined
    for (const wait of this.#waiting.splice(0)) wait(undefined)
  }

  async #connect(): Promise<void> {
    const found = await this.#discovery.connect()
    const { connection } = found
    if (this.#closed) {
      connection.end('it was closed')
      return
    }
    this.#found = found
    this.#connection = connection
    this.#pauseMs = pauseMsMin
    connection.onEnd = () => {
      if (this.#connection !== connection) return
      this.#connection = undefined
      if (this.#closed) return
      this.#events.lost(undefined)
      this.#again()
    }
    for (const wait of this.#waiting.splice(0)) wait(connection)
  }

  #again(): void {
    if (this.#closed) return
    this.#timer = this.#clock.setTimer(this.#pauseMs, () => {
      this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2)
      const before = this.#found?.place
      this.#connect().then(
        () => {
          const now = this.#found?.place
          if (!this.#closed && this.#connection !== undefined) this.#events.restored(this, now?.host !== before?.host || now?.port !== before?.port)
        },
        (error: unknown) => {
          if (this.#pauseMs === pauseMsMax) this.#events.lost(error instanceof Error ? error : undefined)
          this.#again()
        },
      )
    })
  }
}
