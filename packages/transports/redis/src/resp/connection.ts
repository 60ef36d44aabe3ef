/**
 * One connection: commands go out in order, answers come back in the same order. There is no queue for later and nothing is
 * sent twice: when the connection ends, every call that waits fails, and its caller decides.
 */
import type { Buffer } from 'node:buffer'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '@sluice/core/transport'
import type { Commands } from './command.ts'
import { type Reply, ReplyScanner, readReply, type Source } from './reply.ts'

/** Where and how to connect. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  /** Options of node:tls, or undefined for plain TCP. */
  readonly tls: Readonly<Record<string, unknown>> | undefined
  readonly connectTimeoutMs: number
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

export class Connection {
  readonly #socket: Socket
  readonly #scanner = new ReplyScanner()
  // Calls in the order in which they were sent; from #head on they wait.
  #calls: Call[] = []
  #head = 0
  #walked = { count: 0 }
  #corked = false
  #ended: ConnectionEnded | undefined
  /** Called once when it has ended. */
  onEnd: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) => this.end('the connection failed', error))
    socket.on('close', () => this.end('the server closed the connection'))
  }

  static open(address: ServerAddress, clock: Clock): Promise<Connection> {
    const { host, port, tls, connectTimeoutMs } = address
    return new Promise((resolve, reject) => {
      const socket = tls === undefined ? connectTcp({ host, port, noDelay: true, keepAlive: true }) : connectTls({ host, port, servername: host, ...tls })
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
        resolve(new Connection(socket))
      })
    })
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Bytes that wait to be written. */
  get backlogBytes(): number {
    return this.#socket.writableLength
  }

  /** Sends commands; `read` makes one value of all their answers. It must read them all. */
  call<T>(commands: Commands, read: (source: Source) => T): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
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

  /** Sends commands; answers as they are. */
  replies(commands: Commands): Promise<readonly Reply[]> {
    const { replies } = commands
    return this.call(commands, (source) => Array.from({ length: replies }, () => readReply(source)))
  }

  /** Ends it; calls that wait fail. */
  end(why: string, cause?: unknown): void {
    if (this.#ended !== undefined) return
    const ended = new ConnectionEnded(why, cause)
    this.#ended = ended
    this.#socket.destroy()
    const calls = this.#calls.slice(this.#head)
    this.#calls = []
    this.#head = 0
    for (const call of calls) call.reject(ended)
    this.onEnd()
  }

  #received(chunk: Buffer): void {
    this.#scanner.push(chunk)
    for (let call = this.#calls[this.#head]; call !== undefined; call = this.#calls[this.#head]) {
      const source = this.#scanner.take(call.count, this.#walked)
      if (source === undefined) return
      this.#walked = { count: 0 }
      if (++this.#head >= 256) {
        this.#calls = this.#calls.slice(this.#head)
        this.#head = 0
      }
      try {
        call.resolve(call.read(source))
      } catch (error) {
        call.reject(error instanceof Error ? error : new Error(String(error)))
      }
      if (this.#ended !== undefined) return
    }
  }
}
