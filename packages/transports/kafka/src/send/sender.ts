/** Sending: each channel has a line of its own, and what waits in all of them is bounded. */
import { type OutgoingMessage, SendCall, type SendReport } from '@sluice/core/transport'
import type { KafkaBus } from '../kafka-bus.ts'
import { ChannelLine } from './channel-line.ts'

/** See the header of this file. */
export class Sender {
  readonly #bus: KafkaBus
  readonly #messageBytesMax: number
  readonly #delays: () => void
  readonly #lines: Map<string, ChannelLine> = new Map()
  #waitingBytes = 0

  /** `delays`: something is sent with a delay. */
  constructor(bus: KafkaBus, messageBytesMax: number, delays: () => void) {
    this.#bus = bus
    this.#messageBytesMax = messageBytesMax
    this.#delays = delays
  }

  send(messages: readonly OutgoingMessage[]): Promise<SendReport> {
    const call = new SendCall(messages.length)
    messages.forEach((message, index) => {
      const full = this.#waitingBytes > this.#bus.options.sendBytesMax
      if (!full) this.#waitingBytes += message.sizeBytes
      const waits = message.notBeforeMs !== undefined && message.notBeforeMs > this.#bus.context.clock.nowMs()
      this.#line(message.channel, waits).push(message, index, call, full)
    })
    return call.report
  }

  /** Resolves when nothing is under way. */
  async drained(): Promise<void> {
    for (const line of this.#lines.values()) await line.drained()
  }

  #line(channel: string, waits: boolean): ChannelLine {
    const name = waits ? `${channel}\nlater` : channel
    let line = this.#lines.get(name)
    if (line === undefined) {
      if (waits) this.#delays()
      line = new ChannelLine(this.#bus, channel, waits, {
        messageBytesMax: this.#messageBytesMax,
        done: (bytes) => {
          this.#waitingBytes -= bytes
        },
      })
      this.#lines.set(name, line)
    }
    return line
  }
}
