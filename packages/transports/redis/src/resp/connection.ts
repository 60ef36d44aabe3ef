/**
 * One connection: commands go out in order, answers come back in the same order. There is no queue for later and nothing is
 * sent twice: when the connection ends, every call that waits fails, and its caller decides.
 */
import type { Buffer } from 'node:buffer'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock, Timer } from '@sluice/core/transport'
import type { Commands } from './command.ts'
import { NotResp, RedisError, type Reply, ReplyScanner, readReply, type Source } from './reply.ts'

/** Where and how to connect. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  /** Options of node:tls, or undefined for plain TCP. */
  readonly tls: Readonly<Record<string, unknown>> | undefined
  readonly connectTimeoutMs: number
  /** Longest time that an answer may take, ms; a blocked read's own time comes on top. */
  readonly replyTimeoutMs: number
}

interface Call {
  readonly count: number
  readonly read: (source: Source) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Raised to every waiting call when the connection ends. */
export class ConnectionEnded extends Error {
  constructor(why: string, cause?: unknown) {
    super(why, { cause })
    this.name = 'ConnectionEnded'
  }
}

/** Kinds of error by which a server says that it is not, or not any more, the one to ask. */
const elsewhere: ReadonlySet<string> = new Set(['MOVED', 'READONLY', 'UNBLOCKED', 'MASTERDOWN', 'CLUSTERDOWN'])

export class Connection {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #replyTimeoutMs: number
  #guard: Timer | undefined
  // Calls answered so far, and how many there were at the guard's last look.
  #answered = 0
  readonly #scanner = new ReplyScanner()
  // Calls in the order in which they were sent; from #head on they wait.
  #calls: Call[] = []
  #head = 0
  #walked = { count: 0 }
  #corked = false
  #ended: ConnectionEnded | undefined
  /** What comes without having been asked for: on a connection that subscribed, everything. Undefined: nothing of the kind is expected. */
  onPush: ((reply: Reply) => void) | undefined
  /** Called once when it has ended. */
  onEnd: () => void = () => {}

  private constructor(socket: Socket, clock: Clock, replyTimeoutMs: number) {
    this.#socket = socket
    this.#clock = clock
    this.#replyTimeoutMs = replyTimeoutMs
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) => this.end('the connection failed', error))
    socket.on('close', () => this.end('the server closed the connection'))
  }

  static open(address: ServerAddress, clock: Clock): Promise<Connection> {
    const { host, port, tls, connectTimeoutMs, replyTimeoutMs } = address
    return new Promise((resolve, reject) => {
      const socket =
        tls === undefined
          ? connectTcp({ host, port, noDelay: true, keepAlive: true })
          : connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...tls })
      const timer = clock.setTimer(connectTimeoutMs, () => fail(new ConnectionEnded(`${host}:${port} did not answer within ${connectTimeoutMs} ms`)), {
        keepAlive: true,
      })
      const fail = (error: Error): void => {
        timer.cancel()
        socket.destroy()
        reject(error)
      }
      socket.once('error', fail)
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
        timer.cancel()
        socket.off('error', fail)
        if (tls !== undefined) socket.setNoDelay(true).setKeepAlive(true)
        resolve(new Connection(socket, clock, replyTimeoutMs))
      })
    })
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Sends commands; `read` makes one value of all their answers, and must read them all. `blockMs`: how long the server may take its time. */
  call<T>(commands: Commands, read: (source: Source) => T, blockMs = 0): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    this.#guard ??= this.#watchOver(this.#replyTimeoutMs + blockMs)
    return new Promise<T>((resolve, reject) => {
      this.#calls.push({ count: commands.replies, read, resolve: resolve as (value: unknown) => void, reject })
      // All that is sent in one turn of the loop leaves in one write.
      if (!this.#corked) {
        this.#corked = true
        this.#socket.cork()
        process.nextTick(() => {
          this.#corked = false
          this.#socket.uncork()
        })
      }
      for (const part of commands.parts()) {
        if (typeof part === 'string') this.#socket.write(part, 'utf8')
        else this.#socket.write(part)
      }
    })
  }

  /** Sends commands whose answers come to {@link onPush}. */
  write(commands: Commands): void {
    if (this.#ended === undefined) for (const part of commands.parts()) this.#socket.write(part)
  }

  /** Sends commands to the server that should have what they name. */
  replies(commands: Commands): Promise<readonly Reply[]> {
    const { replies } = commands
    return this.call(commands, (source) => Array.from({ length: replies }, () => this.#checked(readReply(source))))
  }

  /** Sends commands to a server that may be any; answers as they are. */
  answers(commands: Commands): Promise<readonly Reply[]> {
    const { replies } = commands
    return this.call(commands, (source) => Array.from({ length: replies }, () => readReply(source)))
  }

  // What is asked of a server that is not the one any more would be refused for ever: the next connection goes to the right one.
  #checked<T>(reply: T): T {
    if (reply instanceof RedisError && elsewhere.has(reply.kind)) this.end(`the server is not the one to ask any more (${reply.kind})`, reply)
    return reply
  }

  /** Ends it; calls that wait fail. */
  end(why: string, cause?: unknown): void {
    if (this.#ended !== undefined) return
    const ended = new ConnectionEnded(why, cause)
    this.#ended = ended
    this.#guard?.cancel()
    this.#socket.destroy()
    const calls = this.#calls.slice(this.#head)
    this.#calls = []
    this.#head = 0
    for (const call of calls) call.reject(ended)
    this.onEnd()
  }

  // A half-open connection says nothing: without an answer for so long, while one is waited for, it counts as ended.
  #watchOver(timeoutMs: number): Timer {
    const answered = this.#answered
    return this.#clock.setTimer(timeoutMs, () => {
      this.#guard = undefined
      if (this.#ended !== undefined || this.#head >= this.#calls.length) return
      if (this.#answered === answered) this.end(`the server did not answer for ${timeoutMs} ms`)
      else this.#guard = this.#watchOver(timeoutMs)
    })
  }

  #received(chunk: Buffer): void {
    this.#scanner.push(chunk)
    try {
      this.#answer()
    } catch (error) {
      if (!(error instanceof NotResp)) throw error
      this.end(error.message, error)
    }
  }

  /** Gives out what has come as a whole. Throws {@link NotResp}. */
  #answer(): void {
    if (this.onPush !== undefined && this.#head >= this.#calls.length) {
      this.#pushed(this.onPush)
      return
    }
    for (let call = this.#calls[this.#head]; call !== undefined; call = this.#calls[this.#head]) {
      const source = this.#scanner.take(call.count, this.#walked)
      if (source === undefined) return
      this.#walked = { count: 0 }
      this.#answered++
      if (++this.#head >= 256) {
        this.#calls = this.#calls.slice(this.#head)
        this.#head = 0
      }
      try {
        const value = call.read(source)
        if (this.#ended === undefined) call.resolve(value)
        else call.reject(this.#ended)
      } catch (error) {
        if (error instanceof NotResp) this.end(error.message, error)
        this.#checked(error)
        call.reject(this.#ended ?? (error instanceof Error ? error : new Error(String(error))))
      }
      if (this.#ended !== undefined) return
    }
  }

  #pushed(onPush: (reply: Reply) => void): void {
    for (let source = this.#scanner.take(1, this.#walked); source !== undefined; source = this.#scanner.take(1, this.#walked)) {
      this.#walked = { count: 0 }
      onPush(readReply(source))
      if (this.#ended !== undefined) return
    }
  }
}
