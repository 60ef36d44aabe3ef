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
  #dirty = false

  constructor(channel: Channel, clock: Clock) {
    this.#channel = channel
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
    this.#dirty = true
    while (this.#done.delete(this.#low)) this.#low++
    // A range ends with a tag that the server still waits for: it refuses one that was settled before.
    const upTo = fresh.reduce((highest, tag) => (tag < this.#low && tag > highest ? tag : highest), 0)
    const frames: Buffer[] = []
    if (upTo > 0) this.#put(upTo, true, frames)
    for (const tag of fresh) if (tag >= this.#low) this.#put(tag, false, frames)
    return frames
  }

  #put(deliveryTag: number, multiple: boolean, frames: Buffer[]): void {
    const number = numberOfOpen(this.#channel)
    if (number === undefined) return
    if (this.#writes.stream === undefined) this.#channel.ack({ fields: { deliveryTag } } as Message, multiple)
    else frames.push(ackFrame(number, deliveryTag, multiple))
  }

  /** Resolves when the server has read all that was settled so far. */
  async flush(): Promise<void> {
    this.write()
    if (!this.#dirty) return
    this.#dirty = false
    // Any exchange will do: what was sent before it on the channel was read before it.
    await this.#channel.prefetch(0)
  }
}

/** `basic.ack`. */
function ackFrame(channel: number, deliveryTag: number, multiple: boolean): Buffer {
  const frame = Buffer.from([1, channel >>> 8, channel, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, multiple ? 1 : 0, 0xce])
  frame.writeBigUInt64BE(BigInt(deliveryTag), 11)
  return frame
}
