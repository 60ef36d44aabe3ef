import type { Buffer } from 'node:buffer'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** How bytes pass, in both directions unless said. */
export interface Weather {
  /** Each piece arrives so much later, ms. */
  readonly latencyMs?: number
  /** Pieces are cut into slices of so many bytes, each a write of its own. */
  readonly sliceBytes?: number
  /** What a client sends is swallowed. */
  readonly deafServer?: boolean
  /** What the server answers is swallowed. */
  readonly deafClient?: boolean
}

/** A TCP proxy between clients and a server, on a port of this machine: slow, deaf, or cutting connections, as it is told. */
export class FaultProxy {
  readonly #server: Server
  readonly #host: string
  readonly #port: number
  readonly #pairs: Set<{ readonly client: Socket; readonly upstream: Socket }> = new Set()
  #weather: Weather = {}
  #refusing = false

  private constructor(host: string, port: number) {
    this.#host = host
    this.#port = port
    this.#server = createServer((client) => this.#join(client))
  }

  /** Listens on a free port and leads to `host:port`. */
  static async to(host: string, port: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(host, port)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** From now on, for connections that are there, too. */
  set weather(weather: Weather) {
    this.#weather = weather
  }

  /** Resets every connection; returns how many. */
  cut(): number {
    const count = this.#pairs.size
    for (const { client, upstream } of this.#pairs) {
      reset(client)
      reset(upstream)
    }
    this.#pairs.clear()
    return count
  }

  /** Whether new connections are reset at once. */
  set refusing(refusing: boolean) {
    this.#refusing = refusing
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()))
  }

  #join(client: Socket): void {
    if (this.#refusing) {
      reset(client)
      return
    }
    const upstream = connect({ host: this.#host, port: this.#port, noDelay: true })
    client.setNoDelay(true)
    const pair = { client, upstream }
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    const there = new Direction(client, upstream)
    const back = new Direction(upstream, client)
    client.on('data', (piece: Buffer) => this.#pass(piece, there, this.#weather.deafServer === true))
    upstream.on('data', (piece: Buffer) => this.#pass(piece, back, this.#weather.deafClient === true))
  }

  #pass(piece: Buffer, direction: Direction, swallowed: boolean): void {
    if (!swallowed) direction.pass(piece, this.#weather)
  }
}

interface LatePiece {
  readonly piece: Buffer
  readonly sliceBytes: number | undefined
  /** By the monotonic clock; never before that of the one in front. */
  readonly dueMs: number
}

/** One direction of a connection: what is late holds up what comes after it, as in a stream. */
class Direction {
  readonly #from: Socket
  readonly #to: Socket
  #late: LatePiece[] = []

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
  }

  pass(piece: Buffer, { latencyMs = 0, sliceBytes }: Weather): void {
    if (latencyMs === 0 && this.#late.length === 0) {
      this.#write(piece, sliceBytes)
      return
    }
    const dueMs = Math.max(performance.now() + latencyMs, this.#late.at(-1)?.dueMs ?? 0)
    this.#late.push({ piece, sliceBytes, dueMs })
    if (this.#late.length === 1) this.#later()
  }

  #later(): void {
    const [first] = this.#late
    if (first !== undefined) setTimeout(() => this.#due(), Math.max(0, Math.ceil(first.dueMs - performance.now())))
  }

  #due(): void {
    const nowMs = performance.now()
    const due = this.#late.filter(({ dueMs }) => dueMs <= nowMs)
    this.#late = this.#late.slice(due.length)
    for (const { piece, sliceBytes } of due) this.#write(piece, sliceBytes)
    this.#later()
  }

  #write(piece: Buffer, sliceBytes: number | undefined): void {
    const [from, to] = [this.#from, this.#to]
    if (to.destroyed) return
    if (sliceBytes === undefined) {
      if (!to.write(piece)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    } else for (let at = 0; at < piece.length; at += sliceBytes) to.write(piece.subarray(at, at + sliceBytes))
  }
}

/**
 * Ends a connection by RST. One whose peer has ended is being shut down by Node, and libuv refuses to reset it then (EINVAL): Node
 * 26.10 has forgotten its handle by that time, and the process spins at its exit for ever. Such a one is only closed.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
