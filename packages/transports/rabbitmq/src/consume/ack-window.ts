import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '@sluice/core/transport'
import type { Channel, Message } from 'amqplib'
import { insideOf, numberOfOpen } from '../link/inside.ts'

/**
 * What the channels of a connection settle is written together after this, ms: each write is a call to the system, and an
 * entry in the log of a queue.
 */
const togetherMs = 5
/** Or when a channel has so many. */
const togetherMax = 250
/**
 * A quorum queue's log takes 32 commands of a channel before it has answered the first; settlements beyond stay in the memory of the
 * channel's process, and are gone when the channel closes (rabbit_fifo_client, "unsent commands"). With so few none is.
 */
const sureMax = 16

/** Windows of a connection that have something to write. */
class Writes {
  /** Undefined: amqplib is not as expected, and writes itself. */
  readonly stream: Duplex | undefined
  readonly #waiting: Set<AckWindow> = new Set()
  readonly #clock: Clock
  #timer: Timer | undefined

  constructor(connection: object, clock: Clock) {
    this.#clock = clock
    this.stream = insideOf(connection)?.stream
  }

  soon(window: AckWindow): void {
    this.#waiting.add(window)
    this.#timer ??= this.#clock.setTimer(togetherMs, () => this.#write())
  }

  #write(): void {
    this.#timer = undefined
    this.give([...this.#waiting].flatMap((window) => window.take()))
    this.#waiting.clear()
  }

  give(frames: readonly Buffer[]): void {
    if (frames.length > 0 && this.stream?.writable === true) this.stream.write(Buffer.concat(frames))
  }
}

const writesOf: WeakMap<object, Writes> = new WeakMap()

/** Settles the messages of one channel: many together, and a range at a time where they follow each other. */
export class AckWindow {
  readonly #channel: Channel
  /** Lowest tag that is not settled. */
  #low = 1
  readonly #done: Set<number> = new Set()
  #fresh: number[] = []
  readonly #writes: Writes
  /** Written since the log was last known to have all of it. */
  #written = 0
  #dirty = false
  #flushing: Promise<void> = Promise.resolve()
  readonly #queue: string

  constructor(channel: Channel, queue: string, clock: Clock) {
    this.#channel = channel
    this.#queue = queue
    const { connection } = channel
    this.#writes = writesOf.get(connection) ?? new Writes(connection, clock)
    writesOf.set(connection, this.#writes)
  }

  ack(tag: number): void {
    this.#done.add(tag)
    this.#fresh.push(tag)
    if (this.#fresh.length >= togetherMax) this.write()
    else if (this.#fresh.length === 1) this.#writes.soon(this)
  }

  /** Writes what was asked for; when the channel is gone nothing happens: then the messages come again. */
  write(): void {
    this.#writes.give(this.take())
  }

  /** What was asked for, as frames to be written at once. */
  take(): readonly Buffer[] {
    if (this.#fresh.length === 0) return []
    const fresh = this.#fresh
    this.#fresh = []
    while (this.#done.delete(this.#low)) this.#low++
    // A range ends with a tag that the server still waits for: it refuses one that was settled before.
    const upTo = fresh.reduce((highest, tag) => (tag < this.#low && tag > highest ? tag : highest), 0)
    const frames: Buffer[] = []
    if (upTo > 0) this.#put(upTo, true, frames)
    for (const tag of fresh) if (tag >= this.#low) this.#put(tag, false, frames)
    return frames
  }

  #put(deliveryTag: number, multiple: boolean, frames: Buffer[]): void {
    this.#written++
    this.#dirty = true
    const number = numberOfOpen(this.#channel)
    if (this.#writes.stream !== undefined) {
      if (number !== undefined) frames.push(ackFrame(number, deliveryTag, multiple))
      return
    }
    try {
      this.#channel.ack({ fields: { deliveryTag } } as Message, multiple)
    } catch {
      // The channel is gone.
    }
  }

  /** Resolves when all that was settled so far is in the queue's log: it outlives the channel. Rejects when the channel is closed. */
  flush(): Promise<void> {
    this.write()
    if (this.#dirty) {
      const count = this.#written
      if (count > sureMax) this.#written = 0
      this.#dirty = false
      const before = this.#flushing.catch(() => undefined)
      this.#flushing = before.then(() => this.#confirmed(count))
      this.#flushing.catch(() => undefined)
    }
    return this.#flushing
  }

  async #confirmed(count: number): Promise<void> {
    // Any exchange will do: what was sent before it on the channel was read before it.
    if (count <= sureMax) return void (await this.#channel.prefetch(0))
    // Whoever begins to consume is answered when the log has it, and what was kept back follows; who ends is answered behind that.
    // The queue has one active consumer, so that this one is given nothing.
    const { consumerTag } = await this.#channel.consume(this.#queue, () => undefined)
    await this.#channel.cancel(consumerTag)
  }
}

/** `basic.ack`. */
function ackFrame(channel: number, deliveryTag: number, multiple: boolean): Buffer {
  const frame = Buffer.from([1, channel >>> 8, channel, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, multiple ? 1 : 0, 0xce])
  frame.writeBigUInt64BE(BigInt(deliveryTag), 11)
  return frame
}
