/**
 * Reads messages whole where amqplib reads frames: a delivery that has come completely is decoded in one go, and handed to
 * its channel as amqplib would. That one makes a dozen buffers and objects a message. Everything else (other methods, what is
 * incomplete, large or has unusual properties) stays amqplib's.
 */
import { EventEmitter } from 'node:events'
import type { Channel } from 'amqplib'
import { insideOf, numberOfOpen } from './inside.ts'

interface InsideChannel extends EventEmitter {
  closeWithError(id: number, reason: string, code: number, error: Error): void
}

/** A delivery as amqplib's consumers get it, as far as Sluice looks. */
interface Read {
  readonly channel: number
  readonly end: number
  readonly message: { readonly fields: object; readonly properties: object; readonly content: Buffer }
}

const internalError = 541

/** From now on; does nothing where amqplib's inside is not as expected. */
export function readWhole(amqplib: object): void {
  const connection = insideOf(amqplib)
  if (connection === undefined) return
  const reader = new MessageReader()
  const oneFrame = connection.recvFrame.bind(connection)
  connection.recvFrame = () => {
    for (;;) {
      const { rest } = connection
      let at = 0
      for (;;) {
        const read = reader.read(rest, at)
        if (typeof read !== 'object') {
          if (at > 0) connection.rest = rest.subarray(at)
          if (read === 'other') return oneFrame()
          break
        }
        const channel = connection.channels[read.channel]?.channel
        if (!isChannel(channel) || numberOfOpen(channel) === undefined) {
          connection.rest = rest.subarray(at)
          return oneFrame()
        }
        at = read.end
        try {
          channel.emit('delivery', read.message)
        } catch (error) {
          channel.closeWithError(0, 'Error while processing message', internalError, error instanceof Error ? error : new Error(String(error)))
        }
      }
      const incoming: unknown = connection.stream.read()
      if (!(incoming instanceof Buffer)) return false
      connection.recvSinceLastCheck = true
      connection.rest = connection.rest.length === 0 ? incoming : Buffer.concat([connection.rest, incoming])
    }
  }
}

const highByte = /[\x80-\xff]/
const deliver = (60 << 16) | 60
const known = { contentType: 0x8000, headers: 0x2000, persistent: 0x1000, messageId: 0x0080, type: 0x0020 } as const
const others = 0xffff & ~Object.values(known).reduce((all, flag) => all | flag, 0)

// Buffer's own check their arguments each time; what is read here was seen to be there.
function uint16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

function uint32(bytes: Buffer, at: number): number {
  return uint16(bytes, at) * 0x1_0000 + uint16(bytes, at + 2)
}

class MessageReader {
  /** Where we are in the bytes. */
  #at = 0
  #bytes: Buffer = Buffer.alloc(0)
  /** The same from {@link #base} on, a character a byte. */
  #text = ''
  #base = 0
  /** Consumer tags of the last message, by channel. */
  readonly #tags: string[] = []
  /** Names of the last message's headers, in order: nearly always the same, and compared instead of made. */
  readonly #names: string[] = []

  /** `partial`: more must come; `other`: not a delivery, or one that is left to amqplib. */
  read(bytes: Buffer, from: number): Read | 'partial' | 'other' {
    const { length } = bytes
    if (length > from && bytes[from] !== 1) return 'other'
    if (length - from < 12) return 'partial'
    if (uint32(bytes, from + 7) !== deliver) return 'other'
    const head = from + 8 + uint32(bytes, from + 3)
    if (length < head + 21) return 'partial'
    if (bytes[head] !== 2) return 'other'
    const body = head + 8 + uint32(bytes, head + 3)
    const size = uint32(bytes, head + 15)
    if (size > 0) {
      if (length < body + 8) return 'partial'
      if (bytes[body] !== 3 || uint32(bytes, body + 3) !== size) return 'other'
    }
    const end = size === 0 ? body : body + 8 + size
    if (length < end) return 'partial'
    const flags = uint16(bytes, head + 19)
    if ((flags & others) !== 0 || uint32(bytes, head + 11) !== 0) return 'other'
    if (bytes[head - 1] !== 0xce || bytes[body - 1] !== 0xce || bytes[end - 1] !== 0xce) return 'other'
    this.#bytes = bytes
    this.#base = from
    this.#text = bytes.toString('latin1', from, body)
    const channel = uint16(bytes, from + 1)
    const fields = this.#fields(channel, from + 11)
    const properties = this.#properties(flags, head + 21)
    if (properties === undefined) return 'other'
    return { channel, end, message: { fields, properties, content: bytes.subarray(end - 1 - size, end - 1) } }
  }

  #fields(channel: number, from: number): object {
    const bytes = this.#bytes
    this.#at = from
    const tag = this.#tags[channel]
    let consumerTag: string
    if (tag !== undefined && bytes[from] === tag.length && this.#text.startsWith(tag, from + 1 - this.#base)) {
      consumerTag = tag
      this.#at += 1 + tag.length
    } else {
      consumerTag = bytes.toString('utf8', from + 1, from + 1 + (bytes[from] ?? 0))
      this.#at += 1 + (bytes[from] ?? 0)
      this.#tags[channel] = consumerTag
    }
    const deliveryTag = uint32(bytes, this.#at) * 0x1_0000_0000 + uint32(bytes, this.#at + 4)
    const redelivered = bytes[this.#at + 8] === 1
    this.#at += 9
    return { consumerTag, deliveryTag, redelivered, exchange: this.#shortText(), routingKey: this.#shortText() }
  }

  #properties(flags: number, from: number): object | undefined {
    this.#at = from
    const contentType = (flags & known.contentType) === 0 ? undefined : this.#shortText()
    let headers: Record<string, unknown> | undefined
    if ((flags & known.headers) !== 0) {
      headers = this.#table()
      if (headers === undefined) return undefined
    }
    const deliveryMode = (flags & known.persistent) === 0 ? undefined : this.#bytes[this.#at++]
    const messageId = (flags & known.messageId) === 0 ? undefined : this.#shortText()
    const type = (flags & known.type) === 0 ? undefined : this.#shortText()
    return { contentType, headers, deliveryMode, messageId, type }
  }

  /** Undefined: it holds something unusual. */
  #table(): Record<string, unknown> | undefined {
    const bytes = this.#bytes
    const headers: Record<string, unknown> = {}
    const end = this.#at + 4 + uint32(bytes, this.#at)
    this.#at += 4
    for (let index = 0; this.#at < end; index++) {
      const name = this.#name(index)
      const kind = bytes[this.#at++]
      if (kind === 0x53) {
        const length = uint32(bytes, this.#at)
        this.#at += 4
        headers[name] = this.#slice(length)
      } else if (kind === 0x6c) {
        headers[name] = Number(bytes.readBigInt64BE(this.#at))
        this.#at += 8
      } else return undefined
    }
    return headers
  }

  #name(index: number): string {
    const length = this.#bytes[this.#at] ?? 0
    const expected = this.#names[index]
    if (expected !== undefined && expected.length === length && this.#text.startsWith(expected, this.#at + 1 - this.#base)) {
      this.#at += 1 + length
      return expected
    }
    const name = this.#shortText()
    if (index < 32 && name.length === length) this.#names[index] = name
    return name
  }

  #shortText(): string {
    return this.#slice(this.#bytes[this.#at++] ?? 0)
  }

  #slice(length: number): string {
    const from = this.#at
    this.#at = from + length
    const text = this.#text.slice(from - this.#base, this.#at - this.#base)
    return highByte.test(text) ? this.#bytes.toString('utf8', from, this.#at) : text
  }
}

function isChannel(channel: object | undefined): channel is InsideChannel & Channel {
  return channel instanceof EventEmitter && 'closeWithError' in channel && typeof channel.closeWithError === 'function'
}
