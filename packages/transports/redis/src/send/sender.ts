/**
 * Sending. Each channel has one call under way at a time and gathers what comes meanwhile for the next: messages of a key
 * are stored in the order of calls whatever fails (out of memory, a fail-over, a broken connection), without asking the
 * server to compare anything. Plain messages go as XADDs in one MULTI, all or none; what needs a decision of the server
 * (delay, deduplication, resend, "only if somebody asks") goes by a script.
 */
import { FailedKeys, type OutgoingMessage, SendCall, type SendFailure, type SendOptions, type SendReport, SluiceError } from '@sluice/core/transport'
import { serverError, toSluice } from '../errors.ts'
import type { RedisBus } from '../redis-bus.ts'
import { Commands, encodeWord, type Word } from '../resp/command.ts'
import { type Connection, ConnectionEnded } from '../resp/connection.ts'
import { RedisError } from '../resp/reply.ts'
import { messageBytesMax } from '../server.ts'
import { fieldWords, writeFields } from '../wire/fields.ts'
import { pack } from '../wire/pack.ts'
import { type Executed, readExec } from './exec-reply.ts'

/** Messages and bytes of one call to the server, about. */
const callCountMax = 2_000
const callBytesMax = 1024 * 1024
/** How long a call waits for a lost connection to come back before its messages fail, ms. */
const reconnectMs = 5_000
/** Channels that are remembered though nothing waits for them: replies go to a channel of each instance. */
const idleLinesMax = 256

/** A message on its way. */
interface Item {
  readonly message: OutgoingMessage
  readonly index: number
  readonly call: SendCall
  readonly resend: boolean
  /** Number in the order in which the channel's messages came. */
  readonly number: number
}

export class Sender {
  readonly #bus: RedisBus
  readonly #lines: Map<string, ChannelLine> = new Map()
  #waitingBytes = 0
  #onDelayed: (channel: string, dueMs: number) => void

  constructor(bus: RedisBus, onDelayed: (channel: string, dueMs: number) => void) {
    this.#bus = bus
    this.#onDelayed = onDelayed
  }

  send(messages: readonly OutgoingMessage[], options: SendOptions): Promise<SendReport> {
    const call = new SendCall(messages.length)
    messages.forEach((message, index) => {
      if (this.#waitingBytes > this.#bus.options.sendBytesMax) {
        const error = new SluiceError('BACKPRESSURE', `${this.#waitingBytes} bytes wait for the server`, {
          fix: 'Publish no faster than it confirms, or raise redis.sendBytesMax',
        })
        this.#line(message.channel).refuse(message, index, call, error)
        return
      }
      this.#waitingBytes += message.sizeBytes
      this.#line(message.channel).push(message, index, call, options.resend === true)
    })
    return call.report
  }

  /** Resolves when nothing is under way. */
  async drained(): Promise<void> {
    for (const line of this.#lines.values()) await line.drained()
  }

  #line(channel: string): ChannelLine {
    let line = this.#lines.get(channel)
    if (line === undefined) {
      if (this.#lines.size >= idleLinesMax) for (const [name, other] of this.#lines) if (other.idle) this.#lines.delete(name)
      const done = (item: Item): void => {
        this.#waitingBytes -= item.message.sizeBytes
        if (item.message.notBeforeMs !== undefined) this.#onDelayed(channel, item.message.notBeforeMs)
      }
      line = new ChannelLine(this.#bus, channel, done)
      this.#lines.set(channel, line)
    }
    return line
  }
}

/** What waits for one channel, in the order of calls. */
class ChannelLine {
  readonly #bus: RedisBus
  readonly #key: string
  readonly #head: string
  readonly #done: (item: Item) => void
  #queue: Item[] = []
  #running: Promise<void> | undefined
  readonly #failed: FailedKeys = new FailedKeys()
  /** Nothing waits, and whoever had a failure has been told. */
  idle = true

  constructor(bus: RedisBus, channel: string, done: (item: Item) => void) {
    this.#bus = bus
    this.#key = bus.key(channel)
    this.#head = `${encodeWord('XADD')}${encodeWord(this.#key)}${encodeWord('NOMKSTREAM')}${encodeWord('*')}`
    this.#done = done
  }

  push(message: OutgoingMessage, index: number, call: SendCall, resend: boolean): void {
    this.idle = false
    this.#queue.push({ message, index, call, resend, number: this.#failed.next() })
    this.#running ??= this.#run()
  }

  /** Fails what is not even queued, and with it what is queued of its key. */
  refuse({ envelope }: OutgoingMessage, index: number, call: SendCall, error: SluiceError): void {
    this.#failed.add(envelope.partitionkey)
    call.failed(index, 'failed', error, true)
  }

  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // What is sent in one turn of the loop shares a call.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const items = this.#next()
      if (items.length === 0) continue
      await this.#store(items)
    }
    this.#failed.idle()
    this.#running = undefined
    setImmediate(() => {
      this.idle = this.#running === undefined
    })
  }

  /** The next items for one call, all plain or all not. Those that cannot be sent are told. */
  #next(): Item[] {
    const items: Item[] = []
    let bytes = 0
    let taken = 0
    for (const item of this.#queue) {
      if (items.length >= callCountMax || bytes >= callBytesMax) break
      if (items.length > 0 && isPlain(item) !== isPlain(items[0] as Item)) break
      taken++
      if (this.#refused(item)) continue
      items.push(item)
      bytes += item.message.sizeBytes
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken)
    return items
  }

  #refused(item: Item): boolean {
    if (this.#failed.has(item.message.envelope.partitionkey, item.number)) {
      this.#fail(item, 'failed', new SluiceError('NOT_SENT', 'an earlier message of the same key failed'), true)
      return true
    }
    if (item.message.sizeBytes <= messageBytesMax) return false
    this.#fail(
      item,
      'failed',
      new SluiceError('MESSAGE_TOO_LARGE', `the message has ${item.message.sizeBytes} bytes, and ${messageBytesMax} are allowed`),
      false,
    )
    return true
  }

  async #store(items: readonly Item[]): Promise<void> {
    const plain = isPlain(items[0] as Item)
    try {
      const connection = await this.#bus.sending.ready(reconnectMs)
      try {
        if (plain) this.#storedPlain(items, await connection.call(this.#multi(items), readExec))
        else this.#storedByScript(items, await this.#script(items, connection))
      } catch (error) {
        if (error instanceof RedisError) {
          const { error: why, retryable } = serverError(error)
          for (const item of items) this.#fail(item, 'failed', why, retryable)
        } else {
          const why = new SluiceError('PUBLISH_UNKNOWN', 'the connection to Redis ended before the confirm came', { cause: error })
          for (const item of items) this.#fail(item, 'unknown', why, true)
        }
      }
    } catch (error) {
      const why = toSluice(error, 'sending')
      for (const item of items) this.#fail(item, 'failed', why, error instanceof ConnectionEnded)
    }
  }

  // How long replicas may take: an answer that is later than the reply time-out would end the connection.
  get #replicasMs(): number {
    return Math.floor((this.#bus.options.replyTimeoutMs * 2) / 3)
  }

  #multi(items: readonly Item[]): Commands {
    const commands = new Commands()
    commands.add('MULTI')
    for (const { message } of items) {
      commands.begin(4 + fieldWords(message.envelope))
      commands.raw(this.#head)
      writeFields(commands, message.envelope, message.sizeBytes)
    }
    commands.add('EXEC')
    if (this.#bus.options.replicas > 0) commands.add('WAIT', this.#bus.options.replicas, this.#replicasMs)
    return commands
  }

  #storedPlain(items: readonly Item[], { stored, replicas }: Executed): void {
    const wanted = this.#bus.options.replicas
    items.forEach((item, i) => {
      if (stored[i] !== true) this.#failUnrouted(item)
      else if (wanted > 0 && (replicas ?? 0) < wanted) {
        const why = new SluiceError('PUBLISH_UNKNOWN', `${replicas ?? 0} of ${wanted} replicas have the message`)
        this.#fail(item, 'unknown', why, true)
      } else this.#confirm(item)
    })
  }

  async #script(items: readonly Item[], connection: Connection): Promise<readonly string[]> {
    const list = items.map(({ message: { envelope, notBeforeMs, deduplicate, rejectUnrouted }, resend }) => ({
      id: envelope.id,
      ...(notBeforeMs === undefined ? {} : { due: notBeforeMs }),
      ...(deduplicate === undefined ? {} : { key: deduplicate.key, window: Math.max(1, Math.ceil(deduplicate.windowMs)) }),
      ...(rejectUnrouted === true ? { ask: true } : {}),
      ...(resend ? { again: true } : {}),
    }))
    const bodies: Word[] = items.map(({ message }) => pack(message.envelope, message.sizeBytes))
    const answers = (await this.#bus.sending.run('send', this.#key, JSON.stringify(list), ...bodies)) as readonly string[]
    const { replicas } = this.#bus.options
    if (replicas === 0) return answers
    // On the connection that wrote: a new one has written nothing, and every replica has that.
    const [have] = await connection.replies(new Commands().add('WAIT', replicas, this.#replicasMs))
    if (typeof have !== 'number' || have < replicas) throw new Error(`${String(have)} of ${replicas} replicas have the messages`)
    return answers
  }

  #storedByScript(items: readonly Item[], answers: readonly string[]): void {
    items.forEach((item, i) => {
      const answer = answers[i] ?? ''
      if (answer === 'unrouted') this.#failUnrouted(item)
      else if (answer === 'nogroup') this.#fail(item, 'failed', new SluiceError('UNROUTED', 'no group asks for the events of this channel'), false)
      else {
        this.#done(item)
        if (answer.startsWith('=')) item.call.duplicate(item.index, answer.slice(1))
        else item.call.confirmed()
      }
    })
  }

  // A channel that this process declared and that is gone: the server lost its data. It is declared anew, and the core sends again.
  #failUnrouted(item: Item): void {
    const known = this.#bus.declareAgain(item.message.channel)
    this.#fail(item, 'failed', new SluiceError('UNROUTED', 'there is no such channel on the server'), known)
  }

  #confirm(item: Item): void {
    this.#done(item)
    item.call.confirmed()
  }

  #fail(item: Item, state: SendFailure['state'], error: SluiceError, retryable: boolean): void {
    this.#failed.add(item.message.envelope.partitionkey)
    this.#done(item)
    item.call.failed(item.index, state, error, retryable)
  }
}

function isPlain({ message, resend }: Item): boolean {
  return !resend && message.notBeforeMs === undefined && message.deduplicate === undefined && message.rejectUnrouted !== true
}
