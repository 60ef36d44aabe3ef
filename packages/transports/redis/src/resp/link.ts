/**
 * A connection that heals: opened again with growing pauses until it is closed. What was under way when it broke fails
 * with {@link ConnectionEnded}; nothing is sent twice here.
 */
import type { Clock, Timer } from '@sluice/core/transport'
import type { RedisTarget } from '../options.ts'
import { type Script, type ScriptName, scripts } from '../script/scripts.ts'
import { Commands, type Word } from './command.ts'
import { Connection, ConnectionEnded } from './connection.ts'
import { RedisError, type Reply, type Source } from './reply.ts'

const pauseMsMin = 20
const pauseMsMax = 2_000

export interface LinkEvents {
  /** It broke; it is being opened again. */
  lost(why: Error | undefined): void
  /** It is back. */
  restored(): void
}

export class Link {
  readonly #target: RedisTarget
  readonly #clock: Clock
  readonly #name: string
  readonly #events: LinkEvents
  #connection: Connection | undefined
  #waiting: ((connection: Connection | undefined) => void)[] = []
  #timer: Timer | undefined
  #pauseMs = pauseMsMin
  #closed = false
  /** Number that the server gave this connection (CLIENT ID), to unblock it; 0: unknown. */
  clientId = 0

  private constructor(target: RedisTarget, clock: Clock, name: string, events: LinkEvents) {
    this.#target = target
    this.#clock = clock
    this.#name = name
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

  /** Runs a script on a channel's stream key. A server that forgot it is told it again: such a call has done nothing. */
  async run(name: ScriptName, key: string, ...args: readonly Word[]): Promise<Reply> {
    const { sha, source }: Script = scripts[name]
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
    const connection = await Connection.open(this.#target, this.#clock)
    try {
      await this.#introduce(connection)
    } catch (error) {
      connection.end('it could not be used')
      throw error
    }
    if (this.#closed) {
      connection.end('it was closed')
      return
    }
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

  // In one write: a machine that is busy reconnects in one go. Scripts are taught to the server where it does not know them.
  async #introduce(connection: Connection): Promise<void> {
    const { username, password, database } = this.#target
    const commands = new Commands()
    if (password !== undefined) commands.add('AUTH', ...(username === undefined ? [password] : [username, password]))
    if (database !== 0) commands.add('SELECT', database)
    commands.add('PING')
    const needed = commands.replies
    // An ACL user may lack these; then there is no name in CLIENT LIST, and a blocked read ends by its own time-out.
    commands.add('CLIENT', 'SETNAME', this.#name.replace(/[^!-~]/g, '_')).add('CLIENT', 'ID')
    const replies = await connection.replies(commands)
    for (const reply of replies.slice(0, needed)) if (reply instanceof RedisError) throw reply
    const id = replies.at(-1)
    this.clientId = typeof id === 'number' ? id : 0
  }

  #again(): void {
    if (this.#closed) return
    this.#timer = this.#clock.setTimer(this.#pauseMs, () => {
      this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2)
      this.#connect().then(
        () => {
          if (!this.#closed && this.#connection !== undefined) this.#events.restored()
        },
        (error: unknown) => {
          if (this.#pauseMs === pauseMsMax) this.#events.lost(error instanceof Error ? error : undefined)
          this.#again()
        },
      )
    })
  }
}
