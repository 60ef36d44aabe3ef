/**
 * One connection to one broker: requests go out in order, answers come back in the same order. There is no queue for
 * later and nothing is sent twice: when the connection ends, every call that waits fails, and its caller decides.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock, Timer } from '@sluice/core/transport'
import { ConnectionEnded } from '../errors.ts'
import type { Credentials } from '../options.ts'
import { Reader } from '../protocol/reader.ts'
import type { Api } from '../protocol/requests/api.ts'
import { Writer } from '../protocol/writer.ts'
import { authenticate } from './sasl.ts'

/** How to connect, whichever broker it is. */
export interface Access {
  readonly clientId: string
  /** Options of node:tls, or undefined for plain TCP. */
  readonly tls: Readonly<Record<string, unknown>> | undefined
  readonly credentials: Credentials | undefined
  readonly connectTimeoutMs: number
  readonly replyTimeoutMs: number
}

interface Call {
  readonly id: number
  readonly flexible: boolean
  readonly timer: Timer
  readonly read: (reader: Reader) => void
  readonly reject: (error: Error) => void
}

/** Largest answer that is taken; what says more is no Kafka. */
const answerBytesMax = 512 * 1024 * 1024

export class Connection {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #access: Access
  readonly #calls: Call[] = []
  #chunks: Buffer[] = []
  #bytes = 0
  #wanted = 4
  #numbers = 0
  #ended: ConnectionEnded | undefined
  #out: Buffer[] = []
  /** Called once when it has ended. */
  onEnd: () => void = () => {}

  private constructor(socket: Socket, access: Access, clock: Clock) {
    this.#socket = socket
    this.#access = access
    this.#clock = clock
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) => this.end('the connection failed', error))
    socket.on('close', () => this.end('the broker closed the connection'))
  }

  /** Connects and authenticates. */
  static async open(host: string, port: number, access: Access, clock: Clock): Promise<Connection> {
    const connection = new Connection(await openSocket(host, port, access, clock), access, clock)
    if (access.credentials === undefined) return connection
    try {
      await authenticate(connection, access.credentials)
      return connection
    } catch (error) {
      connection.end('it could not be used')
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#ended === undefined
  }

  /** Sends a request. `waitMs`: how long the broker itself may wait before it answers; it comes on top of the time-out. */
  call<Ask, Answer>(api: Api<Ask, Answer>, ask: Ask, waitMs = 0): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const id = this.#numbers
    this.#numbers = (this.#numbers + 1) & 0x7fffffff
    const flexible = api.flexible === true
    const writer = new Writer()
    writer.int32(0).int16(api.key).int16(api.version).int32(id).string(this.#access.clientId)
    if (flexible) writer.tags()
    api.write(writer, ask)
    writer.patch32(0, writer.length - 4)
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(this.#access.replyTimeoutMs + waitMs, () => this.end(`${api.name} was not answered in time`))
      this.#calls.push({ id, flexible, timer, read: (reader) => resolve(api.read(reader)), reject })
      this.#write(writer.done())
    })
  }

  end(why: string, cause?: unknown): void {
    if (this.#ended !== undefined) return
    this.#ended = new ConnectionEnded(why, cause)
    this.#socket.destroy()
    this.#chunks = []
    for (const { timer, reject } of this.#calls.splice(0)) {
      timer.cancel()
      reject(this.#ended)
    }
    this.onEnd()
  }

  // What is asked in one turn of the loop is one write.
  #write(bytes: Buffer): void {
    if (this.#out.push(bytes) > 1) return
    queueMicrotask(() => {
      const out = this.#out
      this.#out = []
      if (this.#ended !== undefined) return
      if (out.length === 1) this.#socket.write(out[0] as Buffer)
      else {
        this.#socket.cork()
        for (const one of out) this.#socket.write(one)
        this.#socket.uncork()
      }
    })
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#bytes >= this.#wanted && this.#ended === undefined) {
      const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      const length = bytes.readInt32BE(0)
      if (length < 4 || length > answerBytesMax) {
        this.end('what came is no answer of Kafka')
        return
      }
      this.#chunks = [bytes]
      if (bytes.length < length + 4) {
        this.#wanted = length + 4
        return
      }
      const rest = bytes.subarray(length + 4)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#bytes = rest.length
      this.#wanted = 4
      this.#answered(bytes.subarray(4, length + 4))
    }
  }

  #answered(bytes: Buffer): void {
    const call = this.#calls.shift()
    const reader = new Reader(bytes)
    if (call === undefined || reader.int32() !== call.id) {
      this.end('an answer came that nobody asked for')
      call?.reject(new ConnectionEnded('an answer came that nobody asked for'))
      return
    }
    call.timer.cancel()
    try {
      if (call.flexible) reader.tags()
      call.read(reader)
    } catch (error) {
      call.reject(new ConnectionEnded('an answer cannot be read', error))
      this.end('an answer cannot be read', error)
    }
  }
}

function openSocket(host: string, port: number, { tls, connectTimeoutMs }: Access, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      tls === undefined
        ? connectTcp({ host, port, noDelay: true, keepAlive: true })
        : connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...tls })
    const fail = (cause?: unknown): void => {
      timer.cancel()
      socket.destroy()
      reject(new ConnectionEnded('the broker cannot be reached', cause))
    }
    const timer = clock.setTimer(connectTimeoutMs, () => fail())
    socket.once('error', fail)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      timer.cancel()
      socket.removeListener('error', fail)
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}
