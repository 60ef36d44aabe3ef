/**
 * One partition of the topic of delayed messages, in the hands of the process that moves its messages on: what is due is
 * claimed, stored in its channel, and noted gone. Nothing of it rests on being the only one: two who do it store it once.
 */
import { newId, SluiceError, type Timer } from '@sluice/core/transport'
import { codes, KafkaError, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import type { Source } from '../link/fetcher.ts'
import { type NotedMessage, noteRecord, readNote, readNotedMessage } from '../note-record.ts'
import { batchBytesMax, portions } from '../protocol/portions.ts'
import { type KafkaRecord, writeBatch } from '../protocol/records.ts'
import { produce } from '../protocol/requests/records.ts'
import { deleteRecords } from '../protocol/requests/topics.ts'
import type { ProducerId } from '../protocol/requests/transactions.ts'
import { nobody } from '../registry/registry.ts'
import { newProducer, placeOf, storeNumbered } from '../send/numbered.ts'
import { laterBytesMax, laterCountMax } from './bounds.ts'
import { type Claim, type LaterEntry, type LaterNote, LaterState } from './later-state.ts'

const patienceMs = 15_000
/** A timer is not set further ahead than this, so that a clock that was set is noticed, ms. */
const lookMsMax = 1_000
/** What a record may have more than its message's size, bytes. */
const recordBytes = 1_024

/** See the header of this file. */
export class KeptPartition implements Source {
  readonly topic: string
  readonly partition: number
  readonly wanted = true
  readonly #bus: KafkaBus
  readonly #lost: () => void
  readonly #end: number
  readonly #state: LaterState
  readonly #working: Set<string> = new Set()
  /** Claims of this process, by their ids: their numbers are counted when they are read back. */
  readonly #own: Set<string> = new Set()
  /** By channel and partition: the next number. */
  readonly #sequences: Map<string, number[]> = new Map()
  #producer: ProducerId | undefined
  #waiting: { readonly offset: number; readonly resolve: () => void }[] = []
  #offset: number
  #timer: Timer | undefined
  #tidying = false
  #telling = false
  #isGone = false

  /** `lost`: it is of no use any more, and is to be taken anew. */
  constructor(bus: KafkaBus, partition: number, { start, end }: { readonly start: number; readonly end: number }, lost: () => void) {
    this.#bus = bus
    this.topic = bus.names.later
    this.partition = partition
    this.#lost = lost
    this.#offset = start
    this.#end = end
    this.#state = new LaterState(start)
  }

  get offset(): number {
    return this.#offset
  }

  take(records: readonly KafkaRecord[], nextOffset: number): void {
    for (const record of records) {
      const note = readNote<LaterNote>(record)
      if (note === undefined) continue
      this.#state.apply(note, note.kind === 'wait' ? readNotedMessage(record, this.topic) : undefined, record.offset)
      if (note.kind === 'claim' && this.#own.delete(note.id)) this.#count(this.#state.claimOf(note.channel, note.id))
    }
    this.#offset = nextOffset
    const ready = this.#waiting.filter(({ offset }) => offset < nextOffset)
    if (ready.length > 0) this.#waiting = this.#waiting.filter(({ offset }) => offset >= nextOffset)
    for (const { resolve } of ready) resolve()
    this.look()
  }

  missed(): void {
    this.#fail()
  }

  /** Not ours any more. */
  drop(): void {
    this.#isGone = true
    this.#timer?.cancel()
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  /** What waits, to be written into a new topic in the place of one that somebody deleted. */
  async rewrite(): Promise<void> {
    await this.#append(
      [...this.#state.entries()].map(({ id, channel, messageId, dueAtMs, message }) => [{ kind: 'wait', id, channel, messageId, dueAtMs }, message]),
    )
  }

  /** Moves on what is due, and sets the timer for what comes next. */
  look(): void {
    if (this.#isGone || this.#offset < this.#end) return
    const nowMs = this.#bus.context.clock.nowMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const channel of this.#state.channels()) {
      const dueMs = this.#state.nextDueMs(channel)
      if (this.#state.claim(channel) !== undefined || dueMs <= nowMs) void this.#work(channel)
      else nextMs = Math.min(nextMs, dueMs)
    }
    this.#timer?.cancel()
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer = this.#bus.context.clock.setTimer(Math.max(1, Math.min(nextMs - nowMs, lookMsMax)), () => this.look())
    if (this.#state.isUntidy) void this.#tidy()
    void this.#tellFull()
  }

  async #work(channel: string): Promise<void> {
    if (this.#working.has(channel)) return
    this.#working.add(channel)
    try {
      while (!this.#isGone) {
        const notes: LaterNote[] = []
        const claim = this.#state.claim(channel)
        if (claim !== undefined) notes.push(await this.#store(claim))
        if (this.#isGone) return
        // Others' claims come first.
        if (this.#state.claims(channel) === notes.length) notes.push(...(await this.#claim(channel)))
        if (notes.length === 0) return
        await this.#append(notes.map((note) => [note]))
      }
    } catch (error) {
      if (this.#isGone || this.#bus.cluster.isClosed) return
      report(this.#bus, 'warn', 'delayed messages cannot be moved on; trying again', toSluice(error, 'moving delayed messages on'))
      this.#fail()
    } finally {
      this.#working.delete(channel)
      this.look()
    }
  }

  /** Says what is stored next, and under which numbers. */
  async #claim(channel: string): Promise<LaterNote[]> {
    const entries = this.#state.due(channel, this.#bus.context.clock.nowMs(), batchBytesMax, recordBytes)
    if (entries.length === 0) return []
    this.#producer ??= await newProducer(this.#bus)
    const { id, epoch } = this.#producer
    const claim: LaterNote = {
      kind: 'claim',
      id: newId(),
      channel,
      entries: entries.map((entry) => entry.id),
      producer: { id: String(id), epoch },
      sequences: { ...this.#sequences.get(channel) },
    }
    this.#own.add(claim.id)
    return [claim]
  }

  /** Numbers are used by what a claim came to, whoever stores it. */
  #count(claim: Claim | undefined): void {
    if (claim === undefined || claim.producer.id !== this.#producer?.id) return
    const sequences = this.#sequences.get(claim.channel) ?? []
    this.#sequences.set(claim.channel, sequences)
    for (const [partition, { length }] of this.#byPartition(claim)) sequences[partition] = ((sequences[partition] ?? 0) + length) % 0x8000_0000
  }

  #byPartition({ channel, entries }: Claim): Map<number, readonly LaterEntry[]> {
    const { partitions = 1 } = this.#bus.registry.state.channels.get(channel) ?? {}
    return Map.groupBy(entries, ({ message }) => placeOf(message as NotedMessage, partitions))
  }

  /** Stores what was claimed; resolves to what is to be noted of it. */
  async #store(claim: Claim): Promise<LaterNote> {
    const { id, channel, entries, producer, sequences } = claim
    const { topology, cluster } = this.#bus
    for (;;) {
      try {
        await Promise.all(
          [...this.#byPartition(claim)].map(([partition, mine]) => {
            const numbers = { producer, sequence: sequences[partition] ?? 0 }
            const messages = mine.map(({ message }) => message as NotedMessage)
            return storeNumbered(this.#bus, { channel, partition }, messages, numbers, () => this.#isGone)
          }),
        )
        return { kind: 'gone', claim: id, entries: entries.map((entry) => entry.id) }
      } catch (error) {
        if (this.#isGone || cluster.isClosed) throw error
        const code = error instanceof KafkaError ? error.code : 0
        if (forgotten.includes(code)) {
          report(this.#bus, 'warn', `the brokers forgot who stored delayed messages of channel "${channel}": some may come twice`)
          this.#producer = undefined
          this.#sequences.clear()
          return { kind: 'void', claim: id }
        }
        if (code === codes.unknownTopic) await topology.restore(channel)
        else report(this.#bus, 'error', `delayed messages of channel "${channel}" cannot be stored; trying again`, toSluice(error, 'sending'))
        await cluster.pause(1_000)
      }
    }
  }

  /** Writes notes; resolves when they were read back. */
  async #append(notes: readonly (readonly [note: LaterNote, message?: NotedMessage | undefined])[]): Promise<void> {
    const { cluster, context } = this.#bus
    let last = -1
    for (const some of portions(notes, ([, message]) => (message?.sizeBytes ?? 0) + recordBytes)) {
      const records = some.map(([note, message]) => noteRecord(note, message))
      const batch = writeBatch(records, context.clock.nowMs(), nobody, 'none')
      const asked = new Map([[this.topic, [{ partition: this.partition, batch }]]])
      const stored = await cluster.persist(
        patienceMs,
        () => cluster.atLeaders(asked, produce, (batches) => ({ transactionalId: null, timeoutMs: patienceMs, batches })),
        () => this.#isGone,
      )
      last = (stored.get(this.topic)?.[0]?.baseOffset ?? -1) + records.length - 1
    }
    if (last >= this.#offset && !this.#isGone) await new Promise<void>((resolve) => this.#waiting.push({ offset: last, resolve }))
  }

  /** Copies what waits to the end of the log, and deletes what is before. */
  async #tidy(): Promise<void> {
    if (this.#tidying) return
    this.#tidying = true
    const state = this.#state
    try {
      const waiting = [...state.entries()].filter(({ isClaimed }) => !isClaimed)
      await this.#append(
        waiting.map(({ id, channel, messageId, dueAtMs, order, position, message }) => [
          { kind: 'wait', id, channel, messageId, dueAtMs, of: position, order },
          message,
        ]),
      )
      if (this.#isGone) return
      // Who begins to read behind what is deleted must come to the same claims as we.
      if (state.dead.length > 0 && [...state.channels()].some((channel) => state.claim(channel) !== undefined)) return
      const before = state.firstPosition(this.#offset)
      await this.#append([[{ kind: 'tidied', before, dead: [...state.dead] }]])
      const { cluster } = this.#bus
      const old = new Map([[this.topic, [{ partition: this.partition, offset: before }]]])
      if (!this.#isGone) await cluster.atLeaders(old, deleteRecords, (part) => ({ before: part, timeoutMs: patienceMs }))
    } catch (error) {
      if (!this.#isGone && !this.#bus.cluster.isClosed) report(this.#bus, 'warn', `${this.topic} could not be tidied`, toSluice(error, 'tidying'))
    } finally {
      this.#tidying = false
    }
  }

  /** Senders are told when no more should come, and when there is room again. */
  async #tellFull(): Promise<void> {
    const { registry } = this.#bus
    const { count, bytes } = this.#state
    const isTold = registry.state.laterFull.has(this.partition)
    const share = isTold ? 0.9 : 1
    const full = count >= laterCountMax * share || bytes >= laterBytesMax * share
    if (full === isTold || this.#telling) return
    this.#telling = true
    if (full)
      report(
        this.#bus,
        'warn',
        `${count} delayed messages wait in partition ${this.partition} of ${this.topic}: more are refused`,
        new SluiceError('BACKPRESSURE', 'too many delayed messages wait'),
      )
    await registry.append({ op: 'later-full', partition: this.partition, full }).catch(() => undefined)
    this.#telling = false
  }

  #fail(): void {
    if (this.#isGone) return
    this.drop()
    this.#lost()
  }
}

/** The brokers know these numbers otherwise, or not at all. */
const forgotten: readonly number[] = [codes.outOfOrderSequence, codes.invalidProducerEpoch, codes.unknownProducer]
