/**
 * The registry: a topic of one partition that every process appends to and reads from its beginning. What is appended
 * counts in the order of the topic, so an append that comes back is a decision: compare and set, without a lock and
 * without a leader. It holds what Kafka cannot keep: kinds of channels, where groups begin, pauses, types. Messages never pass through it.
 */
import { ChangeListeners, type RegistryOutcome, type TransportReport } from '@sluice/core/transport'
import { ConnectionEnded, check, closed, codes, KafkaError, mayRetry, moved, toSluice } from '../errors.ts'
import type { Cluster } from '../link/cluster.ts'
import type { Connection } from '../link/connection.ts'
import { type KafkaRecord, readBatches, writeBatch } from '../protocol/records.ts'
import { fetch, produce } from '../protocol/requests/records.ts'
import { createTopics, deleteRecords, earliest, latest, listOffsets } from '../protocol/requests/topics.ts'
import { type RegistryRecord, RegistryState } from './state.ts'

/** How long an append, or the wait for what it came to, may take, ms. */
const patienceMs = 15_000
/** How long the broker waits for something new before it answers, ms. */
const pollMs = 5_000
/** A snapshot every so many records; what is before it is deleted. */
const snapshotEvery = 1_000
/** How long its topic may be unknown to the brokers (they tell each other) before that is believed, ms. */
const missingMs = 5_000
const fetchBytesMax = 1024 * 1024

/** See the header of this file. */
export class Registry {
  readonly state: RegistryState = new RegistryState()
  readonly #cluster: Cluster
  readonly #topic: string
  readonly #replication: number
  readonly #report: (event: TransportReport) => void
  /** Told after the state has changed. */
  readonly changes: ChangeListeners = new ChangeListeners()
  /** By offset: what to do once it is applied. */
  readonly #waiting: Map<number, (outcome: RegistryOutcome) => void> = new Map()
  readonly #outcomes: Map<number, RegistryOutcome> = new Map()
  readonly #syncing: Set<{ readonly offset: number; readonly resolve: () => void }> = new Set()
  /** Offset of what is read next. */
  #next = 0
  /** Whether what is read next is the first: then a snapshot counts. Later ones say what is known here. */
  #isFirst = true
  #reading: Connection | undefined
  /** Since when the brokers do not know the topic, monotonic ms. */
  #missingSinceMs: number | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(cluster: Cluster, topic: string, replication: number, report: (event: TransportReport) => void) {
    this.#cluster = cluster
    this.#topic = topic
    this.#replication = replication
    this.#report = report
  }

  /** Makes the topic if it is missing, and resolves when everything that is there was read. */
  async open(): Promise<void> {
    await this.#cluster.persist(patienceMs, () => this.#make())
    this.#next = await this.#offset(earliest)
    this.#running = this.#read()
    await this.sync()
  }

  /** Appends a record; resolves when it was applied here, to what it came to. */
  async append(record: RegistryRecord): Promise<RegistryOutcome> {
    const offset = await this.#cluster.persist(patienceMs, () => this.#produce(record))
    const known = this.#outcomes.get(offset)
    if (known !== undefined) return known
    return new Promise((resolve, reject) => {
      const timer = this.#cluster.clock.setTimer(patienceMs, () => {
        this.#waiting.delete(offset)
        reject(toSluice(new ConnectionEnded('a record of the registry did not come back'), 'the registry'))
      })
      this.#waiting.set(offset, (outcome) => {
        timer.cancel()
        if (this.#cluster.isClosed) reject(closed())
        else resolve(outcome)
      })
    })
  }

  /** Resolves when everything that anybody appended before this call was applied here. */
  async sync(): Promise<void> {
    const offset = await this.#offset(latest)
    if (this.#next >= offset) return
    await new Promise<void>((resolve, reject) => {
      const timer = this.#cluster.clock.setTimer(patienceMs, () => {
        this.#syncing.delete(waiting)
        reject(toSluice(new ConnectionEnded('the registry could not be read in time'), 'the registry'))
      })
      const waiting = {
        offset,
        resolve: () => {
          timer.cancel()
          resolve()
        },
      }
      this.#syncing.add(waiting)
    })
  }

  async close(): Promise<void> {
    this.#reading?.end('it was closed')
    for (const resolve of this.#waiting.values()) resolve('refused')
    for (const { resolve } of this.#syncing) resolve()
    await this.#running
  }

  async #make(): Promise<void> {
    const configs = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' }
    try {
      await this.#cluster.leaders(this.#topic)
    } catch (error) {
      if (!(error instanceof KafkaError && error.code === codes.unknownTopic)) throw error
      const topics = [{ name: this.#topic, partitions: 1, replication: this.#replication, configs }]
      const [made] = await this.#cluster.controller(createTopics, { topics, timeoutMs: patienceMs })
      if (made !== undefined && made.error !== codes.topicExists) check(made.error, `making topic ${this.#topic}`)
      await this.#cluster.leaders(this.#topic)
    }
  }

  async #offset(timestampMs: number): Promise<number> {
    const asked = new Map([[this.#topic, [{ partition: 0, timestampMs }]]])
    const found = await this.#cluster.persist(patienceMs, () => this.#cluster.atLeaders(asked, listOffsets, (part) => part))
    return found.get(this.#topic)?.[0]?.offset ?? 0
  }

  async #produce(record: RegistryRecord): Promise<number> {
    const { clock } = this.#cluster
    const batch = writeBatch([{ key: null, value: JSON.stringify(record), headers: [] }], clock.nowMs(), nobody, 'none')
    const asked = new Map([[this.#topic, [{ partition: 0, batch }]]])
    const stored = await this.#cluster.atLeaders(asked, produce, (batches) => ({ transactionalId: null, timeoutMs: patienceMs, batches }))
    return stored.get(this.#topic)?.[0]?.baseOffset ?? -1
  }

  async #read(): Promise<void> {
    while (!this.#cluster.isClosed) {
      try {
        await this.#poll()
      } catch (error) {
        this.#reading?.end('it is of no use')
        this.#reading = undefined
        if (!mayRetry(error) && !this.#cluster.isClosed)
          this.#report({ level: 'error', message: 'the registry cannot be read', error: toSluice(error, 'the registry') })
        await this.#cluster.leaders(this.#topic).catch((why: unknown) => this.#missing(why))
        await this.#cluster.pause(100)
      }
    }
  }

  /** Somebody deleted it, and what it said is known here: it is made anew with that. */
  async #missing(why: unknown): Promise<void> {
    const nowMs = this.#cluster.clock.monotonicMs()
    if (!(why instanceof KafkaError && why.code === codes.unknownTopic)) {
      this.#missingSinceMs = undefined
      return
    }
    this.#missingSinceMs ??= nowMs
    if (nowMs - this.#missingSinceMs < missingMs) return
    this.#missingSinceMs = undefined
    await this.#make().then(
      () => this.#anew(),
      () => undefined,
    )
  }

  /** Writes what is known here at the beginning of a topic that lacks it. */
  async #anew(): Promise<void> {
    this.#report({ level: 'error', message: `somebody deleted the topic ${this.#topic}: it was made anew with what is known here` })
    this.#next = 0
    this.#isFirst = true
    this.#outcomes.clear()
    await this.#produce({ op: 'snapshot', anew: true, state: this.state.snapshot() }).catch(() => undefined)
  }

  async #poll(): Promise<void> {
    const [leader = -1] = await this.#cluster.leaders(this.#topic)
    if (this.#reading?.isOpen !== true) this.#reading = await this.#cluster.dedicated(leader)
    const partitions = new Map([[this.#topic, [{ partition: 0, offset: this.#next, bytesMax: fetchBytesMax }]]])
    const { topics } = await this.#reading.call(fetch, { waitMs: pollMs, bytesMax: fetchBytesMax, partitions }, pollMs)
    const [found] = topics.get(this.#topic) ?? []
    if (found === undefined) return
    if (found.error === codes.offsetOutOfRange) {
      if ((await this.#offset(latest)) < this.#next) {
        await this.#anew()
        return
      }
      // Its beginning was deleted behind a snapshot while we were away.
      this.#next = await this.#offset(earliest)
      this.#isFirst = true
      return
    }
    if (moved(found.error)) {
      this.#cluster.forgetLeaders(this.#topic)
      this.#reading.end('another broker leads')
    }
    check(found.error, 'reading the registry')
    const { records, nextOffset } = readBatches(found.batches, this.#next, found.aborted)
    for (const record of records) this.#apply(record)
    this.#next = nextOffset
    for (const waiting of this.#syncing)
      if (this.#next >= waiting.offset) {
        this.#syncing.delete(waiting)
        waiting.resolve()
      }
  }

  #apply({ offset, value }: KafkaRecord): void {
    const record: RegistryRecord = JSON.parse(value?.toString() ?? 'null')
    const outcome = record.op === 'snapshot' && !this.#isFirst && record.anew !== true ? 'refused' : this.state.apply(record, offset)
    this.#isFirst = false
    const waiting = this.#waiting.get(offset)
    this.#waiting.delete(offset)
    waiting?.(outcome)
    // Ours may be read before its own answer has come.
    this.#outcomes.set(offset, outcome)
    if (this.#outcomes.size > 1_000) this.#outcomes.delete(this.#outcomes.keys().next().value ?? -1)
    // Whose record has a round number writes the snapshot: one member, and another one later if it dies over it.
    if (waiting !== undefined && offset % snapshotEvery === snapshotEvery - 1) void this.#snapshot(offset).catch(() => undefined)
    this.changes.tell()
  }

  async #snapshot(upTo: number): Promise<void> {
    const offset = await this.#produce({ op: 'snapshot', state: this.state.snapshot() })
    // Something came in between, which the snapshot lacks: it must stay readable.
    if (offset > upTo + 1) return
    const old = new Map([[this.#topic, [{ partition: 0, offset }]]])
    await this.#cluster.atLeaders(old, deleteRecords, (part) => ({ before: part, timeoutMs: patienceMs }))
  }
}

/** Records that the broker does not deduplicate. */
export const nobody = { id: -1n, epoch: -1, sequence: -1, transactional: false } as const
