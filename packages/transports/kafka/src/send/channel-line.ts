/**
 * What is to be stored for one channel, or is to wait for its time first, in the order of calls. Each half of the channel's
 * partitions has one round of requests under way at a time, one a broker, and gathers what comes meanwhile for the next:
 * messages of a key are stored in the order of calls whatever fails. Halves, so that a producer that waits for its confirms
 * writes one while the broker stores the other. A batch whose fate is not known is sent again under the same number, which the
 * broker recognises; only after `sendTimeoutMs` is it called unknown.
 */
import { FailedKeys, newId, type OutgoingMessage, type SendCall, SluiceError } from '@sluice/core/transport'
import { ConnectionEnded, codes, KafkaError, mayRetry, passes, toSluice } from '../errors.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import { laterPartitionOf } from '../later/bounds.ts'
import type { LaterNote } from '../later/later-state.ts'
import { noteHeader } from '../note-record.ts'
import { type NewRecord, writeBatch } from '../protocol/records.ts'
import { type Produced, produce } from '../protocol/requests/records.ts'
import type { ProducerId } from '../protocol/requests/transactions.ts'
import type { ChannelEntry } from '../registry/state.ts'
import { toRecord } from '../wire.ts'
import { askProducer } from './numbered.ts'
import { partitionOf } from './partitioner.ts'

/** Messages and bytes of one round, about. */
const roundCountMax = 4_000
const roundBytesMax = 4 * 1024 * 1024
/** Fewer go in one round for both halves: a request costs as much as some 50 messages. */
const dividedMin = 200
/** What one batch may have more than its records' sizes as the core counts them say: names of headers, lengths, bytes. */
const recordBytes = 1_024
/** How long the broker may wait for its replicas, ms. */
const replicasMs = 10_000
/** How long a topic may be unknown to the brokers (they tell each other) before that is believed, ms. */
const unknownTopicMs = 5_000
const noExtra: readonly string[] = []

interface Item {
  readonly message: OutgoingMessage
  readonly index: number
  readonly call: SendCall
  readonly number: number
  /** Where it goes: known when its channel is. */
  partition: number
}

/** What a line needs of its sender. */
export interface LineHome {
  readonly messageBytesMax: number
  /** Messages of so many bytes wait no more. */
  done(bytes: number): void
}

/** What of one partition is in a round. */
interface Portion {
  readonly partition: number
  readonly items: readonly Item[]
  readonly batch: Buffer
}

/** A producer id and the next number of each partition under it. */
interface Numbering {
  readonly producer: Promise<ProducerId>
  readonly next: number[]
}

/** Every second partition of a channel. */
interface Half {
  /** For its next round. */
  waiting: Item[]
  /** A round of it is under way. */
  isBusy: boolean
}

/** See the header of this file. */
export class ChannelLine {
  readonly #bus: KafkaBus
  readonly #channel: string
  /** Its messages go to the topic of delayed ones. */
  readonly #waits: boolean
  readonly #home: LineHome
  readonly #failed = new FailedKeys()
  /** Not looked at yet. */
  #queue: Item[] = []
  readonly #halves: readonly [Half, Half] = [
    { waiting: [], isBusy: false },
    { waiting: [], isBusy: false },
  ]
  readonly #running: Set<Promise<void>> = new Set()
  /** Of this line alone: several reply channels share a partition, and a number must not stand for two messages. */
  #numbering: Numbering | undefined
  #turn = 0

  constructor(bus: KafkaBus, channel: string, waits: boolean, home: LineHome) {
    this.#bus = bus
    this.#channel = channel
    this.#waits = waits
    this.#home = home
  }

  push(message: OutgoingMessage, index: number, call: SendCall, full: boolean): void {
    const item: Item = { message, index, call, number: this.#failed.next(), partition: 0 }
    if (full) {
      const error = new SluiceError('BACKPRESSURE', 'too many bytes wait for the brokers', {
        fix: 'Publish no faster than they confirm, or raise kafka.sendBytesMax',
      })
      call.failed(index, 'failed', error, true)
      this.#failed.add(message.envelope.partitionkey)
      return
    }
    if (this.#queue.push(item) > 1) return
    this.#track(this.#place())
  }

  async drained(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Until it is over, nothing is idle. */
  #track(work: Promise<void>): void {
    const tracked = work.finally(() => {
      this.#running.delete(tracked)
      if (this.#running.size === 0) this.#failed.idle()
    })
    this.#running.add(tracked)
  }

  /** Divides what came among the halves, and begins. */
  async #place(): Promise<void> {
    // What is sent in one turn of the loop shares a round.
    await Promise.resolve()
    const entry = await this.#entry()
    for (const item of this.#queue.splice(0)) {
      if (entry === undefined) {
        this.#fail(item, 'failed', new SluiceError('UNROUTED', 'there is no such channel on the brokers'), false)
        continue
      }
      item.partition = this.#partition(item.message, entry)
      this.#halves[item.partition & 1]?.waiting.push(item)
    }
    if (entry !== undefined) this.#begin(entry)
  }

  /** Begins a round for what waits and has none under way. */
  #begin(entry: ChannelEntry): void {
    const idle = this.#halves.filter(({ isBusy }) => !isBusy)
    if (idle.length === 2 && idle.every(({ waiting }) => waiting.length < dividedMin)) this.#beginRound(idle, entry)
    else for (const half of idle) this.#beginRound([half], entry)
  }

  #beginRound(halves: readonly Half[], entry: ChannelEntry): void {
    const items = halves.flatMap((half) => this.#next(half, entry))
    if (items.length === 0) return
    for (const half of halves) half.isBusy = true
    this.#track(
      this.#round(items, entry).then(() => {
        for (const half of halves) half.isBusy = false
        this.#begin(entry)
      }),
    )
  }

  /** The channel; one that another process declared a moment ago may not be known here yet. */
  async #entry(): Promise<ChannelEntry | undefined> {
    const { registry } = this.#bus
    const known = registry.state.channels.get(this.#channel)
    if (known !== undefined) return known
    await registry.sync().catch(() => undefined)
    return registry.state.channels.get(this.#channel)
  }

  /** The next items of a half for one round. Those that cannot be sent are told. */
  #next(half: Half, entry: ChannelEntry): Item[] {
    const items: Item[] = []
    let bytes = 0
    let taken = 0
    for (const item of half.waiting) {
      if (items.length >= roundCountMax || bytes >= roundBytesMax) break
      taken++
      if (this.#refused(item, entry)) continue
      items.push(item)
      bytes += item.message.sizeBytes
    }
    half.waiting = taken === half.waiting.length ? [] : half.waiting.slice(taken)
    return items
  }

  #refused(item: Item, entry: ChannelEntry): boolean {
    const { envelope, sizeBytes, rejectUnrouted } = item.message
    const { messageBytesMax } = this.#home
    let error: SluiceError | undefined
    let retryable = false
    if (this.#failed.has(envelope.partitionkey, item.number)) {
      error = new SluiceError('NOT_SENT', 'an earlier message of the same key failed')
      retryable = true
    } else if (rejectUnrouted === true && entry.kind !== 'reply' && this.#bus.registry.state.groups(this.#channel).length === 0)
      error = new SluiceError('UNROUTED', 'no group asks for the events of this channel')
    else if (sizeBytes > messageBytesMax) error = new SluiceError('MESSAGE_TOO_LARGE', `the message has ${sizeBytes} bytes, and ${messageBytesMax} are allowed`)
    else if (this.#waits && this.#bus.registry.state.laterFull.has(item.partition)) {
      error = new SluiceError('BACKPRESSURE', 'too many delayed messages wait', {
        fix: 'Send with a delay no faster than they come due, or keep what is far off in your own store',
      })
      retryable = true
    }
    if (error === undefined) return false
    this.#fail(item, 'failed', error, retryable)
    return true
  }

  async #round(items: readonly Item[], entry: ChannelEntry): Promise<void> {
    let left: readonly Item[] = items
    while (left.length > 0) {
      const [now, later] = this.#divide(left)
      await this.#store(now, entry)
      left = later.filter((item) => !this.#refused(item, entry))
    }
  }

  /** What fits into one batch a partition, and the rest. */
  #divide(items: readonly Item[]): [Map<number, Item[]>, Item[]] {
    const now = new Map<number, Item[]>()
    const bytes: number[] = []
    const later: Item[] = []
    const closed = new Set<number>()
    for (const item of items) {
      const { partition } = item
      const list = now.get(partition) ?? []
      const size = (bytes[partition] ?? 0) + item.message.sizeBytes + recordBytes
      if (list.length > 0 && (closed.has(partition) || size > this.#home.messageBytesMax)) {
        closed.add(partition)
        later.push(item)
        continue
      }
      now.set(partition, list)
      bytes[partition] = size
      list.push(item)
    }
    return [now, later]
  }

  #partition({ envelope }: OutgoingMessage, entry: ChannelEntry): number {
    if (this.#waits) return laterPartitionOf(this.#channel)
    if (entry.kind === 'reply') return entry.partitions
    const { partitionkey } = envelope
    return partitionkey === undefined ? this.#turn++ % entry.partitions : partitionOf(Buffer.from(partitionkey), entry.partitions)
  }

  /** Headers that say more than the message: to whom a reply goes, until when a message waits. */
  #extra({ envelope, notBeforeMs = 0 }: OutgoingMessage, { kind }: ChannelEntry): readonly string[] {
    if (this.#waits) return noteHeader({ kind: 'wait', id: newId(), channel: this.#channel, messageId: envelope.id, dueAtMs: notBeforeMs } satisfies LaterNote)
    return kind === 'reply' ? ['sluice-reply', this.#channel] : noExtra
  }

  async #store(byPartition: ReadonlyMap<number, readonly Item[]>, entry: ChannelEntry): Promise<void> {
    const { cluster, names, options, context } = this.#bus
    const topic = this.#waits ? names.later : entry.kind === 'reply' ? names.replies : names.channel(this.#channel)
    const untilMs = cluster.clock.monotonicMs() + options.sendTimeoutMs
    let portions: readonly Portion[] = []
    try {
      if (this.#waits && !this.#bus.registry.state.hasLater) await this.#bus.topology.makeLater()
      const { producer, next } = await cluster.persist(options.sendTimeoutMs, () => this.#numbers())
      const nowMs = context.clock.nowMs()
      portions = [...byPartition].map(([partition, items]) => {
        const sequence = next[partition] ?? 0
        next[partition] = (sequence + items.length) % 0x8000_0000
        const records: NewRecord[] = items.map(({ message }) => toRecord(message.envelope, message.sizeBytes, this.#extra(message, entry)))
        return { partition, items, batch: writeBatch(records, nowMs, { ...producer, sequence, transactional: false }, options.compression) }
      })
    } catch (error) {
      for (const items of byPartition.values()) for (const item of items) this.#fail(item, 'failed', toSluice(error, 'sending'), mayRetry(error))
      return
    }
    const startMs = cluster.clock.monotonicMs()
    // Whether some try ended without an answer, or with one that leaves open what was stored.
    let unclear = false
    // Whether the topic is not there, and cannot be made anew.
    let isGone: boolean | undefined
    for (let pauseMs = 10; portions.length > 0; pauseMs = Math.min(pauseMs * 2, 500)) {
      const again: Portion[] = []
      let why: unknown
      await Promise.all(
        await this.#requests(topic, portions, (portion, outcome) => {
          if (outcome instanceof Error) {
            unclear = true
            why = outcome
            again.push(portion)
          } else if (!this.#decided(portion, outcome, isGone === true, unclear)) {
            if (outcome.error === 7 || outcome.error === 20) unclear = true
            why = new KafkaError(outcome.error, 'sending')
            again.push(portion)
          }
        }),
      )
      portions = again
      if (portions.length === 0) return
      if (cluster.isClosed || cluster.clock.monotonicMs() >= untilMs) {
        this.#giveUp(portions, unclear, why)
        return
      }
      cluster.forgetLeaders(topic)
      const isUnknown = why instanceof KafkaError && why.code === codes.unknownTopic && cluster.clock.monotonicMs() - startMs >= unknownTopicMs
      if (isUnknown && isGone === undefined)
        isGone = await (this.#waits ? this.#bus.topology.makeLater() : this.#bus.topology.restore(this.#channel)).then(
          () => false,
          () => true,
        )
      await cluster.pause(pauseMs)
    }
  }

  /** One request a leader; `tell` hears of every portion. */
  async #requests(topic: string, portions: readonly Portion[], tell: (portion: Portion, outcome: Produced | Error) => void): Promise<Promise<void>[]> {
    const { cluster } = this.#bus
    let split: Map<number, Map<string, Portion[]>>
    try {
      split = await cluster.byLeader(new Map([[topic, portions]]))
    } catch (error) {
      const failed = error instanceof KafkaError ? error.code : undefined
      for (const portion of portions)
        tell(
          portion,
          failed === undefined ? new ConnectionEnded('the brokers cannot be reached', error) : { partition: portion.partition, error: failed, baseOffset: -1 },
        )
      return []
    }
    return [...split].map(async ([leader, part]) => {
      const mine = part.get(topic) ?? []
      try {
        const connection = await cluster.node(leader)
        const answer = await connection.call(produce, { transactionalId: null, timeoutMs: replicasMs, batches: new Map([[topic, mine]]) }, replicasMs)
        const found = new Map(answer.get(topic)?.map((one) => [one.partition, one]))
        for (const portion of mine) tell(portion, found.get(portion.partition) ?? new ConnectionEnded('the broker left out a partition'))
      } catch (error) {
        const ended = error instanceof Error ? error : new ConnectionEnded('sending failed', error)
        for (const portion of mine) tell(portion, ended)
      }
    })
  }

  /** Whether the fate of a portion is decided by this answer. */
  #decided({ items }: Portion, { error }: Produced, isGone: boolean, unclear: boolean): boolean {
    if (error === 0 || error === codes.duplicateSequence) {
      const counts = new Map<SendCall, number>()
      for (const { call, message } of items) {
        counts.set(call, (counts.get(call) ?? 0) + 1)
        this.#home.done(message.sizeBytes)
      }
      for (const [call, count] of counts) call.confirmed(count)
      return true
    }
    if (passes(error) && !(error === codes.unknownTopic && isGone)) return false
    const cause = new KafkaError(error, 'sending')
    const lost: readonly number[] = [codes.outOfOrderSequence, codes.unknownProducer, codes.invalidProducerEpoch]
    this.#anew()
    if (lost.includes(error)) {
      // After an unclear try it may be stored; else the broker certainly refused it.
      const state = unclear || error === codes.outOfOrderSequence ? 'unknown' : 'failed'
      for (const item of items) this.#fail(item, state, unknown(cause), true)
    } else if (error === codes.unknownTopic)
      for (const item of items) this.#fail(item, 'failed', new SluiceError('UNROUTED', 'there is no such topic on the brokers', { cause }), false)
    else for (const item of items) this.#fail(item, 'failed', toSluice(cause, 'sending'), false)
    return true
  }

  #giveUp(portions: readonly Portion[], unclear: boolean, why: unknown): void {
    this.#anew()
    for (const { items } of portions)
      for (const item of items)
        if (unclear) this.#fail(item, 'unknown', unknown(why), true)
        else this.#fail(item, 'failed', toSluice(why, 'sending'), true)
  }

  async #numbers(): Promise<{ readonly producer: ProducerId; readonly next: number[] }> {
    this.#numbering ??= { producer: askProducer(this.#bus.cluster), next: [] }
    const numbering = this.#numbering
    try {
      // The other half may give it up meanwhile: this round keeps to it all the same, with the numbers that belong to it.
      return { producer: await numbering.producer, next: numbering.next }
    } catch (error) {
      if (this.#numbering === numbering) this.#numbering = undefined
      throw error
    }
  }

  // A number that was given out and not used would leave a gap, which the broker refuses for ever.
  #anew(): void {
    this.#numbering = undefined
  }

  #fail(item: Item, state: 'failed' | 'unknown', error: SluiceError, retryable: boolean): void {
    this.#failed.add(item.message.envelope.partitionkey)
    this.#home.done(item.message.sizeBytes)
    item.call.failed(item.index, state, error, retryable)
  }
}

function unknown(cause: unknown): SluiceError {
  return new SluiceError('PUBLISH_UNKNOWN', 'the confirm of Kafka did not come in time', { cause })
}
