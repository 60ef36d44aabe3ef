/**
 * Reads partitions as they grow. Per broker a connection waits for something new in what is wanted; what comes to be
 * wanted meanwhile is asked for on a second one, so that nothing waits for an answer that cannot bring it.
 */
import { ConnectionEnded, codes, KafkaError, moved, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import { type KafkaRecord, readBatches } from '../protocol/records.ts'
import { type Fetched, fetch } from '../protocol/requests/records.ts'
import { earliest, listOffsets } from '../protocol/requests/topics.ts'
import type { Connection } from './connection.ts'

/** How long a broker waits for something new before it answers, ms. */
const pollMs = 1_000
const answerBytesMax = 8 * 1024 * 1024
const partitionBytesMax = 1024 * 1024
/** How long a topic may be unknown to the brokers (they tell each other) before that is believed, ms. */
const missingMs = 5_000
const pausesMs = [20, 50, 100, 250, 500]

/** A partition that somebody reads. */
export interface Source {
  readonly topic: string
  readonly partition: number
  /** What is read next. */
  readonly offset: number
  readonly wanted: boolean
  /** Records from `offset` on, in order; `nextOffset`: everything below it has come, or counts for nothing. */
  take(records: readonly KafkaRecord[], nextOffset: number): void
  /** What was asked for is not there any more: the log begins at `logStart`. */
  missed(logStart: number): void
}

interface Slot {
  connection: Connection | undefined
  /** What it waits for, by source: the offset that was asked for. */
  asked: Map<Source, number> | undefined
}

/** See the header of this file. */
export class Fetcher {
  readonly #bus: KafkaBus
  readonly #gone: (topic: string) => void
  readonly #missingSinceMs: Map<string, number> = new Map()
  readonly #sources: Set<Source> = new Set()
  readonly #slots: Map<number, readonly [Slot, Slot]> = new Map()
  readonly #running: Set<Promise<void>> = new Set()
  #looking = false
  #failures = 0
  #closed = false

  /** `gone`: a topic that is read is not there any more, for long enough to be believed. */
  constructor(bus: KafkaBus, gone: (topic: string) => void = () => {}) {
    this.#bus = bus
    this.#gone = gone
  }

  add(source: Source): void {
    this.#sources.add(source)
    this.wake()
  }

  remove(source: Source): void {
    this.#sources.delete(source)
  }

  /** Something may be wanted that was not. */
  wake(): void {
    if (this.#looking || this.#closed) return
    this.#looking = true
    const look = this.#look()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#running.delete(look))
    this.#running.add(look)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const slots of this.#slots.values()) for (const { connection } of slots) connection?.end('it was closed')
    await Promise.all(this.#running)
  }

  async #look(): Promise<void> {
    await Promise.resolve()
    try {
      const covered = new Set<Source>()
      for (const slots of this.#slots.values())
        for (const { asked } of slots) for (const source of asked?.keys() ?? []) if (asked?.get(source) === source.offset) covered.add(source)
      const wanted = new Map<string, Source[]>()
      for (const source of this.#sources) {
        if (!source.wanted || covered.has(source)) continue
        const list = wanted.get(source.topic) ?? []
        wanted.set(source.topic, list)
        list.push(source)
      }
      if (wanted.size === 0) return
      const missing = await this.#withoutMissing(wanted)
      for (const [leader, topics] of await this.#bus.cluster.byLeader(wanted)) this.#ask(leader, [...topics.values()].flat())
      if (missing !== undefined) throw missing
    } finally {
      this.#looking = false
    }
  }

  /** Takes out topics that the brokers do not know; of one that stays unknown its owner hears. */
  async #withoutMissing(wanted: Map<string, Source[]>): Promise<KafkaError | undefined> {
    const { cluster } = this.#bus
    let missing: KafkaError | undefined
    for (const topic of [...wanted.keys()]) {
      try {
        await cluster.leaders(topic)
        this.#missingSinceMs.delete(topic)
      } catch (error) {
        if (!(error instanceof KafkaError && error.code === codes.unknownTopic)) throw error
        missing = error
        wanted.delete(topic)
        const nowMs = cluster.clock.monotonicMs()
        const sinceMs = this.#missingSinceMs.get(topic) ?? nowMs
        this.#missingSinceMs.set(topic, sinceMs)
        if (nowMs - sinceMs >= missingMs) {
          this.#missingSinceMs.delete(topic)
          this.#gone(topic)
        }
      }
    }
    return missing
  }

  #ask(leader: number, sources: readonly Source[]): void {
    let slots = this.#slots.get(leader)
    if (slots === undefined) {
      slots = [
        { connection: undefined, asked: undefined },
        { connection: undefined, asked: undefined },
      ]
      this.#slots.set(leader, slots)
    }
    const slot = slots.find(({ asked }) => asked === undefined)
    if (slot === undefined || this.#closed) return
    slot.asked = new Map(sources.map((source) => [source, source.offset]))
    const poll = this.#poll(leader, slot, slot.asked)
      .then(
        () => {
          this.#failures = 0
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        slot.asked = undefined
        this.#running.delete(poll)
        this.wake()
      })
    this.#running.add(poll)
  }

  async #poll(leader: number, slot: Slot, asked: ReadonlyMap<Source, number>): Promise<void> {
    const { cluster } = this.#bus
    if (slot.connection?.isOpen !== true) slot.connection = await cluster.dedicated(leader)
    if (this.#closed) {
      slot.connection.end('it was closed')
      return
    }
    const partitions = new Map<string, { partition: number; offset: number; bytesMax: number; source: Source }[]>()
    for (const [source, offset] of asked) {
      const list = partitions.get(source.topic) ?? []
      partitions.set(source.topic, list)
      list.push({ partition: source.partition, offset, bytesMax: partitionBytesMax, source })
    }
    const answer = await slot.connection.call(fetch, { waitMs: pollMs, bytesMax: answerBytesMax, partitions }, pollMs)
    let failure: KafkaError | undefined
    const beyond: Source[] = []
    for (const [topic, list] of answer.topics) {
      const bySource = new Map(partitions.get(topic)?.map((one) => [one.partition, one]))
      for (const fetched of list) {
        const one = bySource.get(fetched.partition)
        // Moved on, or given up, while the answer was on its way.
        if (one === undefined || !this.#sources.has(one.source) || one.source.offset !== one.offset) continue
        if (fetched.error === codes.offsetOutOfRange) beyond.push(one.source)
        else failure = this.#took(one.source, one.offset, fetched) ?? failure
      }
    }
    for (const source of beyond) await this.#missed(source)
    if (failure !== undefined) throw failure
  }

  // The broker does not say with its refusal where the log begins.
  async #missed(source: Source): Promise<void> {
    const { cluster } = this.#bus
    const asked = new Map([[source.topic, [{ partition: source.partition, timestampMs: earliest }]]])
    const { offset } = source
    const [found] = (await cluster.atLeaders(asked, listOffsets, (part) => part)).get(source.topic) ?? []
    if (found !== undefined && this.#sources.has(source) && source.offset === offset) source.missed(found.offset)
  }

  #took(source: Source, offset: number, fetched: Fetched): KafkaError | undefined {
    if (fetched.error !== 0) {
      if (moved(fetched.error)) this.#bus.cluster.forgetLeaders(source.topic)
      return new KafkaError(fetched.error, `reading ${source.topic}`)
    }
    const { records, nextOffset } = readBatches(fetched.batches, offset, fetched.aborted)
    if (nextOffset > offset) source.take(records, nextOffset)
    return undefined
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#closed) return
    const pauseMs = pausesMs[Math.min(this.#failures++, pausesMs.length - 1)] ?? 500
    const { cluster } = this.#bus
    if (error instanceof ConnectionEnded) for (const { topic } of this.#sources) cluster.forgetLeaders(topic)
    else if (this.#failures % 100 === 1 && !(error instanceof KafkaError && moved(error.code)))
      report(this.#bus, 'warn', 'reading from Kafka fails; trying again', toSluice(error, 'reading'))
    await cluster.pause(pauseMs)
    this.wake()
  }
}
