/** The partitions that a member holds: taken as the plan says, read, drained, given up. */
import { type ConsumerObserver, leaseLost, type ReceiveWindow } from '@sluice/core/transport'
import { mayRetry, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import { Fetcher, type Source } from '../link/fetcher.ts'
import type { GroupEntry } from '../registry/state.ts'
import type { LotKeeper } from './lot-keeper.ts'
import type { Membership } from './membership.ts'
import { OwnedPartition } from './partition.ts'
import type { Assignment } from './plan.ts'
import { readPositions } from './positions.ts'
import { Progress } from './progress.ts'
import type { Settlement } from './settlement.ts'

/** How long taking a partition is tried before it is begun anew, ms. */
const patienceMs = 30_000

/** What a member's partitions need of it. */
export interface HoldingsHome {
  readonly bus: KafkaBus
  readonly channel: string
  readonly group: string
  /** Of the channel. */
  readonly partitions: number
  readonly observer: ConsumerObserver
  readonly window: ReceiveWindow
  readonly membership: Membership
  readonly settlement: Settlement
  readonly lot: LotKeeper
  entry(): GroupEntry | undefined
  isClosed(): boolean
  /** A partition is ours from now on. */
  opened(partition: OwnedPartition): void
}

/** See the header of this file. */
export class Holdings {
  readonly #home: HoldingsHome
  readonly #topic: string
  readonly #lotTopic: string
  readonly #partitions: Map<number, OwnedPartition> = new Map()
  readonly #sources: Map<OwnedPartition, readonly Source[]> = new Map()
  readonly #fetcher: Fetcher

  constructor(home: HoldingsHome) {
    const { bus, channel, group } = home
    this.#home = home
    this.#topic = bus.names.channel(channel)
    this.#lotTopic = bus.names.lot(channel, group)
    this.#fetcher = new Fetcher(bus, (topic) => void this.#deleted(topic))
  }

  get size(): number {
    return this.#partitions.size
  }

  /** Their numbers. */
  indexes(): number[] {
    return [...this.#partitions.keys()]
  }

  values(): IterableIterator<OwnedPartition> {
    return this.#partitions.values()
  }

  /** The one of this name. */
  find(name: string): OwnedPartition | undefined {
    const partition = this.#partitions.get(Number(name.split('/')[0]))
    return partition?.name === name ? partition : undefined
  }

  /** The one of this name, if it is this member's to settle; throws LEASE_LOST. */
  mustOwn(name: string): OwnedPartition {
    const partition = this.find(name)
    if (partition === undefined || (partition.state !== 'owned' && partition.state !== 'revoking')) throw leaseLost()
    return partition
  }

  /** The plan of a generation. */
  assigned({ own, giveUp }: Assignment): void {
    const ours = new Set([...own, ...giveUp])
    for (const partition of [...this.#partitions.values()]) if (!ours.has(partition.index)) this.lose(partition)
    const fresh = own.filter((index) => !this.#partitions.has(index)).map((index) => new OwnedPartition(index, this.#home.partitions))
    for (const partition of fresh) this.#partitions.set(partition.index, partition)
    for (const index of giveUp) {
      const partition = this.#partitions.get(index)
      if (partition !== undefined) void this.#handOver(partition)
    }
    if (fresh.length > 0) void this.#take(fresh)
  }

  /** More may be wanted than was. */
  wake(): void {
    this.#fetcher.wake()
  }

  /** Reads nothing more. */
  close(): Promise<void> {
    return this.#fetcher.close()
  }

  /** What is handed out and not settled counts anew. */
  recount(): void {
    this.#home.window.recount([...this.#partitions.values()].flatMap(({ held }) => [...held]))
  }

  async #take(fresh: readonly OwnedPartition[]): Promise<void> {
    const { cluster } = this.#home.bus
    try {
      await cluster.persist(patienceMs, () => this.#readProgress(fresh))
    } catch (error) {
      if (this.#home.isClosed() || cluster.isClosed) return
      report(this.#home.bus, mayRetry(error) ? 'warn' : 'error', `partitions of ${this.#topic} cannot be taken; trying again`, toSluice(error, 'taking'))
      for (const partition of fresh) {
        partition.lose()
        if (this.#partitions.get(partition.index) === partition) this.#partitions.delete(partition.index)
      }
      await cluster.pause(1_000)
      this.#home.membership.rejoin()
    }
  }

  async #readProgress(fresh: readonly OwnedPartition[]): Promise<void> {
    const live = fresh.filter(({ isGone }) => !isGone)
    if (live.length === 0) return
    for (const { partition, logStart, logEnd, committed, lotStart, lotEnd } of await readPositions(this.#home.bus, this.#home, live)) {
      partition.progress = committed === undefined ? new Progress(this.#home.entry()?.starts[partition.index] ?? 0) : Progress.read(...committed)
      // Claimed was also what had not come yet.
      partition.suspectBefore = Math.min(partition.progress.claimed, logEnd)
      if (logStart > partition.progress.watermark) this.#skip(partition, logStart)
      partition.offset = partition.progress.watermark
      partition.lotOffset = lotStart
      void this.#opened(partition, lotEnd).catch(() => undefined)
    }
  }

  /** Reads the lot, and begins. */
  async #opened(partition: OwnedPartition, lotEnd: number): Promise<void> {
    const source = this.#channelSource(partition)
    this.#sources.set(partition, [source])
    this.#fetcher.add(source)
    this.readLot(partition)
    await this.#home.lot.readTo(partition, lotEnd, () => partition.state !== 'taking')
    if (partition.state !== 'taking' || this.#home.isClosed()) return
    partition.suspectEntries = new Set([...partition.lot.entries()].flatMap(({ id, isBegun }) => (isBegun ? [id] : [])))
    partition.state = 'owned'
    this.#home.observer.assigned(partition.name, partition.lanes())
    this.#home.opened(partition)
    this.#fetcher.wake()
  }

  /** Reads its lot from now on, once there is one. */
  readLot(partition: OwnedPartition): void {
    const sources = this.#sources.get(partition)
    if (sources?.length !== 1 || !this.#home.lot.isThere) return
    const source = this.#home.lot.source(partition)
    this.#sources.set(partition, [...sources, source])
    this.#fetcher.add(source)
  }

  /** Drains a partition that another member should have, and lets the others know that it is free. */
  async #handOver(partition: OwnedPartition): Promise<void> {
    if (partition.state === 'revoking' || partition.isGone) return
    if (partition.state === 'owned') {
      partition.state = 'revoking'
      await this.#home.observer.revoking(partition.name).catch(() => undefined)
    }
    if (this.#home.isClosed() || partition.isGone) return
    await this.letGo(partition)
    this.#home.membership.rejoin()
  }

  /** Writes what is done and gives up the rest, which comes again elsewhere. */
  async letGo(partition: OwnedPartition): Promise<void> {
    if (partition.isGone) return
    const wasTaken = partition.state !== 'taking'
    partition.state = 'revoking'
    if (wasTaken) {
      const begun = [...partition.lot.entries()].flatMap(({ id, isBegun }) => (isBegun ? [id] : []))
      const out = new Set(partition.out.map(({ entryId }) => entryId))
      const back = begun.filter((id) => !out.has(id))
      partition.dirty = true
      if (back.length > 0) await this.#home.settlement.atomic(partition, [{ note: { kind: 'back', ids: back } }]).catch(() => undefined)
      else await this.#home.settlement.now()
    }
    this.#drop(partition)
  }

  /** Another one has it. */
  lose(partition: OwnedPartition): void {
    const wasKnown = partition.state !== 'taking'
    this.#drop(partition)
    if (wasKnown && !this.#home.isClosed()) this.#home.observer.lost(partition.name)
  }

  #drop(partition: OwnedPartition): void {
    const late = [...partition.accepted.splice(0), ...partition.out.splice(0)]
    partition.lose()
    for (const source of this.#sources.get(partition) ?? []) this.#fetcher.remove(source)
    this.#sources.delete(partition)
    if (this.#partitions.get(partition.index) === partition) this.#partitions.delete(partition.index)
    this.recount()
    this.#home.lot.wake()
    if (late.length > 0 && !this.#home.isClosed()) this.#home.observer.settlementLost(late, leaseLost())
  }

  #channelSource(partition: OwnedPartition): Source {
    return {
      topic: this.#topic,
      partition: partition.index,
      get offset() {
        return partition.offset
      },
      get wanted() {
        return partition.state === 'owned' && partition.hasRoom
      },
      take: (records, nextOffset) => {
        partition.took(records, nextOffset, this.#topic)
        if (partition.dirty) this.#home.settlement.later()
        this.#home.window.serve()
      },
      missed: (logStart) => (logStart > partition.offset ? this.#skip(partition, logStart) : this.#anew(partition, logStart)),
    }
  }

  /** The log is shorter than what was done of it (somebody deleted it, or its brokers lost a part): it is another one. */
  #anew(partition: OwnedPartition, logStart: number): void {
    if (partition.state !== 'owned') return
    report(
      this.#home.bus,
      'error',
      `partition ${partition.index} of ${this.#topic} ends before what group ${this.#home.group} had of it: read from its beginning`,
    )
    const { change } = partition.progress
    partition.progress = new Progress(logStart)
    partition.progress.change = change
    partition.suspectBefore = 0
    partition.claimed = 0
    partition.dirty = true
    partition.restart()
    this.recount()
    this.#home.observer.lost(partition.name)
    this.#home.observer.assigned(partition.name, partition.lanes())
    this.#fetcher.wake()
  }

  /** A topic of ours is not there any more. */
  async #deleted(topic: string): Promise<void> {
    try {
      await this.#home.bus.topology.restore(this.#home.channel)
      if (topic !== this.#lotTopic) return
      // What it held is known here, and written anew.
      for (const partition of this.#partitions.values()) {
        partition.lotOffset = 0
        void this.#home.lot.tidy(partition)
      }
    } catch (error) {
      if (!this.#home.isClosed()) report(this.#home.bus, 'error', `the topic ${topic} is gone and cannot be made anew`, toSluice(error, 'making a topic anew'))
    }
  }

  // Retention took what the group had not done.
  #skip(partition: OwnedPartition, logStart: number): void {
    const lost = logStart - partition.progress.watermark
    if (lost > 0)
      report(
        this.#home.bus,
        'warn',
        `${lost} messages of partition ${partition.index} of ${this.#topic} were deleted by its retention before group ${this.#home.group} had them`,
      )
    partition.progress.done(partition.progress.watermark, logStart)
    partition.offset = Math.max(partition.offset, logStart)
    partition.dirty = true
  }
}
