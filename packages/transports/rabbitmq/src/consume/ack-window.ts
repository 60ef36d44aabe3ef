import type { Channel, Message } from 'amqplib'

/** Settles the messages of one channel: once a turn of the event loop, and a range at a time where they follow each other. */
export class AckWindow {
  readonly #channel: Channel
  /** Lowest tag that is not settled. */
  #low = 1
  readonly #done: Set<number> = new Set()
  #fresh: number[] = []
  #scheduled = false
  #dirty = false

  constructor(channel: Channel) {
    this.#channel = channel
  }

  ack(tag: number): void {
    this.#done.add(tag)
    this.#fresh.push(tag)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.write())
  }

  /** Writes what was asked for; throws nothing when the channel is gone: then the messages come again. */
  write(): void {
    this.#scheduled = false
    if (this.#fresh.length === 0) return
    const fresh = this.#fresh
    this.#fresh = []
    this.#dirty = true
    while (this.#done.delete(this.#low)) this.#low++
    // A range ends with a tag that the server still waits for: it refuses one that was settled before.
    const upTo = fresh.reduce((highest, tag) => (tag < this.#low && tag > highest ? tag : highest), 0)
    try {
      if (upTo > 0) this.#channel.ack(tagged(upTo), true)
      for (const tag of fresh) if (tag >= this.#low) this.#channel.ack(tagged(tag))
    } catch {
      // The channel is gone.
    }
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

const tagged = (deliveryTag: number): Message => ({ fields: { deliveryTag } }) as Message
