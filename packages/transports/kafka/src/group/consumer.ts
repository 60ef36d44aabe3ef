/** A member of a group: owns partitions as the plan says, hands out what comes, settles. */
import {
  type AttemptRecord,
  attemptsOf,
  type Consumer,
  type ConsumerObserver,
  type DeadLetterRecord,
  type Delivery,
  leaseLost,
  mustHold,
  newId,
  ReceiveWindow,
  type Subscription,
  settleHeld,
} from '@sluice/core/transport'
import { mayRetry, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import { Fetcher, type Source } from '../link/fetcher.ts'
import type { GroupEntry } from '../registry/state.ts'
import { LotKeeper } from './lot-keeper.ts'
import { Membership } from './membership.ts'
import { type KafkaDelivery, OwnedPartition } from './partition.ts'
import type { Assignment } from './plan.ts'
import { readPositions } from './positions.ts'
import { Progress } from './progress.ts'
import { type LotWrite, Settlement } from './settlement.ts'

/** How long taking a partition is tried before it is begun anew, ms. */
const patienceMs = 30_000

/** How long joining waits for the first share, ms; it comes anyway. */
const beginMs = 1_000
/** How long leaving may take, ms. */
const leaveMs = 15_000

/** See the header of this file. */
export class KafkaConsumer implements Consumer {
  readonly lot: LotKeeper
  readonly channel: string
  readonly group: string
  readonly #bus: KafkaBus
  readonly #subscription: Subscription
  readonly #observer: ConsumerObserver
  readonly #left: (consumer: KafkaConsumer) => void
  readonly #count: number
  readonly #topic: string
  readonly #lotTopic: string
  readonly #partitions: Map<number, OwnedPartition> = new Map()
  readonly #sources: Map<OwnedPartition, readonly Source[]> = new Map()
  readonly #fetcher: Fetcher
  readonly #window: ReceiveWindow
  readonly #membership: Membership
  readonly #settlement: Settlement
  readonly #onChange = (): void => this.#look()
  #begin: () => void = () => {}
  readonly #begun: Promise<void> = new Promise((resolve) => {
    this.#begin = resolve
  })
  #types: Readonly<Record<string, number>> = {}
  #changing: Promise<void> = Promise.resolve()
  #known = ''
  #turn = 0
  #paused = false
  #declaring = false
  #closed = false

  constructor(bus: KafkaBus, subscription: Subscription, partitions: number, observer: ConsumerObserver, left: (consumer: KafkaConsumer) => void) {
    const { channel, group } = subscription
    const { names, registry } = bus
    this.#bus = bus
    this.#subscription = subscription
    this.#observer = observer
    this.#left = left
    this.#count = partitions
    this.channel = channel
    this.group = group
    this.#topic = names.channel(channel)
    this.#lotTopic = names.lot(channel, group)
    this.#window = new ReceiveWindow(subscription, (countMax, bytesMax) => this.#handOut(countMax, bytesMax))
    this.#fetcher = new Fetcher(bus, (topic) => void this.#deleted(topic))
    this.#membership = new Membership({
      bus,
      groupId: names.group(channel, group),
      partitions,
      types: subscription.types,
      wants: () => registry.state.group(channel, group)?.wants ?? {},
      owned: () => [...this.#partitions.keys()],
      assigned: (assignment) => this.#assigned(assignment),
      fenced: () => {
        if (this.#partitions.size > 0) report(bus, 'warn', `group ${group} went on without this member, which was not heard in time; it joins again`)
        for (const partition of [...this.#partitions.values()]) this.#lose(partition)
      },
    })
    this.#settlement = new Settlement({
      bus,
      membership: this.#membership,
      topic: this.#topic,
      lotTopic: this.#lotTopic,
      transactionalId: names.transaction(newId()),
      partitions: () => this.#partitions.values(),
      claimed: () => this.#window.serve(),
      settlementLost: (deliveries, error) => {
        if (!this.#closed) this.#observer.settlementLost(deliveries, error)
      },
    })
    this.lot = new LotKeeper({
      ...{ bus, channel, group, settlement: this.#settlement },
      isClosed: () => this.#closed,
      mustOwn: (name) => this.#mustOwn(name),
      settled: () => this.#recount(),
      lotChanged: (partition, lanes) => this.#observer.lotChanged(partition, lanes),
    })
  }

  /** Joins; partitions come when the others have been heard. */
  async join(): Promise<void> {
    const { registry } = this.#bus
    await this.#announce()
    registry.changes.listen(this.#onChange)
    this.#look()
    await this.#membership.start()
    // Whoever starts can count on its share soon: what comes from now on need not change hands first.
    await Promise.race([this.#begun, this.#bus.cluster.pause(beginMs)])
  }

  // ------------------------------------------------------------ receiving

  receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    return this.#window.receive(countMax, bytesMax)
  }

  #handOut(countMax: number, bytesMax: number): readonly Delivery[] {
    if (this.#paused) return []
    const taken: KafkaDelivery[] = []
    let bytes = 0
    const owned = [...this.#partitions.values()]
    this.#turn++
    for (let i = 0; i < owned.length && taken.length < countMax; i++) {
      const partition = owned[(i + this.#turn) % owned.length] as OwnedPartition
      for (let next = partition.peek(); next !== undefined && taken.length < countMax; next = partition.peek()) {
        if (taken.length > 0 && bytes + next.sizeBytes > bytesMax) break
        taken.push(partition.handOut())
        bytes += next.sizeBytes
      }
    }
    if (taken.length > 0) this.#fetcher.wake()
    else if (owned.some((partition) => partition.needsClaim)) void this.#settlement.now()
    return taken
  }

  // ------------------------------------------------------------ settling

  accept(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => {
      const { owner } = delivery
      owner.settle(delivery, 'settled')
      if (delivery.entryId === undefined) {
        owner.progress.done(delivery.offset)
        owner.lot.attempts.delete(delivery.offset)
        owner.accepted.push(delivery)
        owner.dirty = true
      } else owner.out.push(delivery)
    })
    this.#settlement.later()
  }

  release(deliveries: readonly Delivery[]): void {
    const nowMs = this.#bus.context.clock.nowMs()
    this.#settle(deliveries, (delivery) => delivery.owner.release(delivery, nowMs))
  }

  async record(records: readonly AttemptRecord[]): Promise<void> {
    const byOwner = this.#byOwner(records)
    await Promise.all(
      [...byOwner].map(([owner, mine]) =>
        this.lot.write(
          owner,
          mine.map((record) => {
            const { entryId, offset } = record.delivery as KafkaDelivery
            const attempts = attemptsOf(record)
            return { note: entryId === undefined ? { kind: 'attempts', offset, attempts } : { kind: 'entry-attempts', id: entryId, attempts } }
          }),
        ),
      ),
    )
  }

  async deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    const byOwner = this.#byOwner(records)
    await Promise.all(
      [...byOwner].map(([owner, mine]) =>
        this.lot.write(
          owner,
          mine.map(({ delivery, lane, reason, mode }) => {
            const { entryId, offset, storedAtMs, redrives, envelope, sizeBytes } = delivery as KafkaDelivery
            const park = mode === 'park' && !lane.startsWith('id:')
            const about = { lane, park, reason, redrives, offset, storedAtMs }
            return {
              note: { kind: 'letter', id: newId(this.#bus.context.clock.nowMs()), ...about, ...(entryId === undefined ? {} : { entryId }) },
              message: { envelope, sizeBytes },
            }
          }),
          mine.map(({ delivery }) => delivery as KafkaDelivery),
        ),
      ),
    )
    this.#recount()
  }

  async flush(): Promise<void> {
    await this.#settlement.now()
    // What was written to a lot counts when it was read back.
    await Promise.all([...this.#partitions.values()].map((partition) => this.lot.readBack(partition)))
  }

  groupTypes(): ReadonlyMap<string, number> {
    const recorded = this.#entry()?.types ?? {}
    return new Map([...Object.keys(recorded), ...Object.keys(this.#types)].map((type) => [type, this.#types[type] ?? 0]))
  }

  yieldPartition(partition: string, type: string): void {
    const { channel, group } = this
    const owned = this.#find(partition)
    if (owned === undefined || this.#entry()?.wants[owned.index] === type) return
    void this.#bus.registry
      .append({ op: 'wants', channel, group, partition: owned.index, type })
      .then(() => this.#membership.rejoin())
      .catch(() => undefined)
  }

  get overdue(): boolean {
    return this.#membership.overdue
  }

  confirmHeld(): Promise<void> {
    return this.#membership.confirm()
  }

  // ------------------------------------------------------------ for the transport

  get inFlight(): number {
    let count = 0
    for (const { held } of this.#partitions.values()) count += held.size
    return count
  }

  owned(): readonly { readonly channel: string; readonly index: number; readonly bytesEach: number }[] {
    return [...this.#partitions.values()].map(({ index, bytesEach }) => ({ channel: this.channel, index, bytesEach }))
  }

  /** Dies, as a killed process would. */
  crash(): void {
    this.#stop()
    void this.#membership.leave(true)
    void this.#fetcher.close()
    this.#settlement.close()
    for (const partition of this.#partitions.values()) partition.lose()
  }

  /** Leaves in order; when nobody answers, as if it had died. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#stop()
    await new Promise<void>((resolve) => {
      const timer = this.#bus.context.clock.setTimer(leaveMs, () => {
        this.crash()
        resolve()
      })
      const left = (): void => {
        timer.cancel()
        resolve()
      }
      this.#leave().then(left, left)
    })
    this.#left(this)
  }

  async #leave(): Promise<void> {
    await this.#fetcher.close()
    await Promise.all([...this.#partitions.values()].map((partition) => this.#letGo(partition)))
    this.#settlement.close()
    await this.#membership.leave(false)
    const { registry, cluster } = this.#bus
    const { channel, group, types, ephemeral } = this.#subscription
    if (!cluster.isClosed) {
      const nowMs = this.#bus.context.clock.nowMs()
      await registry.append({ op: 'types', channel, group, types, nowMs }).catch(() => undefined)
    }
    if (ephemeral) await this.#bus.topology.removeGroup(channel, group).catch(() => undefined)
  }

  #stop(): void {
    this.#closed = true
    this.#bus.registry.changes.unlisten(this.#onChange)
    this.#window.close()
    this.lot.wake()
  }

  #entry(): GroupEntry | undefined {
    return this.#bus.registry.state.group(this.channel, this.group)
  }

  async #announce(): Promise<void> {
    const { channel, group, types } = this.#subscription
    await this.#bus.registry.append({ op: 'types', channel, group, types, nowMs: this.#bus.context.clock.nowMs() })
  }

  /** The registry changed. */
  #look(): void {
    const entry = this.#entry()
    if (this.#closed) return
    if (entry === undefined) {
      void this.#again()
      return
    }
    if (entry.paused !== this.#paused) {
      this.#paused = entry.paused
      this.#observer.paused(entry.paused)
      this.#window.serve()
    }
    const known = JSON.stringify([entry.types, entry.wants])
    if (known !== this.#known) {
      this.#known = known
      this.#membership.nudge()
    }
    for (const partition of this.#partitions.values()) {
      this.#readLot(partition)
      this.#catchUp(partition)
    }
  }

  /** Taken for dead while it could not be heard: the group is made anew, and begins with what comes from now on. */
  async #again(): Promise<void> {
    if (this.#declaring) return
    this.#declaring = true
    try {
      await this.#bus.topology.declare({ channels: [], groups: [{ ...this.#subscription, from: 'end' }] })
      await this.#announce()
      this.#membership.rejoin()
    } catch (error) {
      report(this.#bus, 'warn', `group ${this.group} was removed and cannot be made anew`, toSluice(error, 'joining a group'))
    } finally {
      this.#declaring = false
    }
  }

  // ------------------------------------------------------------ partitions

  #assigned({ own, giveUp, types, isSettled }: Assignment): void {
    if (this.#closed) return
    this.#types = types
    if (isSettled) this.#begin()
    const ours = new Set([...own, ...giveUp])
    for (const partition of [...this.#partitions.values()]) if (!ours.has(partition.index)) this.#lose(partition)
    const fresh = own.filter((index) => !this.#partitions.has(index)).map((index) => new OwnedPartition(index, this.#count))
    for (const partition of fresh) this.#partitions.set(partition.index, partition)
    for (const index of giveUp) {
      const partition = this.#partitions.get(index)
      if (partition !== undefined) void this.#handOver(partition)
    }
    if (fresh.length > 0) void this.#take(fresh)
  }

  async #take(fresh: readonly OwnedPartition[]): Promise<void> {
    const { cluster } = this.#bus
    try {
      await cluster.persist(patienceMs, () => this.#readProgress(fresh))
    } catch (error) {
      if (this.#closed || cluster.isClosed) return
      report(this.#bus, mayRetry(error) ? 'warn' : 'error', `partitions of ${this.#topic} cannot be taken; trying again`, toSluice(error, 'taking'))
      for (const partition of fresh) {
        partition.lose()
        if (this.#partitions.get(partition.index) === partition) this.#partitions.delete(partition.index)
      }
      await cluster.pause(1_000)
      this.#membership.rejoin()
    }
  }

  async #readProgress(fresh: readonly OwnedPartition[]): Promise<void> {
    const live = fresh.filter(({ isGone }) => !isGone)
    if (live.length === 0) return
    for (const { partition, logStart, logEnd, committed, lotStart, lotEnd } of await readPositions(this.#bus, this, live)) {
      partition.progress = committed === undefined ? new Progress(this.#entry()?.starts[partition.index] ?? 0) : Progress.read(...committed)
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
    this.#readLot(partition)
    while (partition.lotOffset < lotEnd && partition.state === 'taking' && !this.#closed) await this.lot.someRead()
    if (partition.state !== 'taking' || this.#closed) return
    partition.suspectEntries = new Set([...partition.lot.entries()].flatMap(({ id, isBegun }) => (isBegun ? [id] : [])))
    partition.state = 'owned'
    this.#observer.assigned(partition.name, partition.lanes())
    this.#catchUp(partition)
    this.#fetcher.wake()
  }

  /** Reads its lot from now on, once there is one. */
  #readLot(partition: OwnedPartition): void {
    const sources = this.#sources.get(partition)
    if (sources?.length !== 1 || !this.lot.isThere) return
    const source = this.lot.source(partition)
    this.#sources.set(partition, [...sources, source])
    this.#fetcher.add(source)
  }

  /** Drains a partition that another member should have, and lets the others know that it is free. */
  async #handOver(partition: OwnedPartition): Promise<void> {
    if (partition.state === 'revoking' || partition.isGone) return
    if (partition.state === 'owned') {
      partition.state = 'revoking'
      await this.#observer.revoking(partition.name).catch(() => undefined)
    }
    if (this.#closed || partition.isGone) return
    await this.#letGo(partition)
    this.#membership.rejoin()
  }

  /** Writes what is done and gives up the rest, which comes again elsewhere. */
  async #letGo(partition: OwnedPartition): Promise<void> {
    if (partition.isGone) return
    const wasTaken = partition.state !== 'taking'
    partition.state = 'revoking'
    if (wasTaken) {
      const begun = [...partition.lot.entries()].flatMap(({ id, isBegun }) => (isBegun ? [id] : []))
      const out = new Set(partition.out.map(({ entryId }) => entryId))
      const back = begun.filter((id) => !out.has(id))
      partition.dirty = true
      if (back.length > 0) await this.#settlement.atomic(partition, [{ note: { kind: 'back', ids: back } }]).catch(() => undefined)
      else await this.#settlement.now()
    }
    this.#drop(partition)
  }

  #lose(partition: OwnedPartition): void {
    const wasKnown = partition.state !== 'taking'
    this.#drop(partition)
    if (wasKnown && !this.#closed) this.#observer.lost(partition.name)
  }

  #drop(partition: OwnedPartition): void {
    const late = [...partition.accepted.splice(0), ...partition.out.splice(0)]
    partition.lose()
    for (const source of this.#sources.get(partition) ?? []) this.#fetcher.remove(source)
    this.#sources.delete(partition)
    if (this.#partitions.get(partition.index) === partition) this.#partitions.delete(partition.index)
    this.#recount()
    this.lot.wake()
    if (late.length > 0 && !this.#closed) this.#observer.settlementLost(late, leaseLost())
  }

  // ------------------------------------------------------------ reading

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
        if (partition.dirty) this.#settlement.later()
        this.#window.serve()
      },
      missed: (logStart) => (logStart > partition.offset ? this.#skip(partition, logStart) : this.#anew(partition, logStart)),
    }
  }

  /** The log is shorter than what was done of it (somebody deleted it, or its brokers lost a part): it is another one. */
  #anew(partition: OwnedPartition, logStart: number): void {
    if (partition.state !== 'owned') return
    report(this.#bus, 'error', `partition ${partition.index} of ${this.#topic} ends before what group ${this.group} had of it: read from its beginning`)
    const { change } = partition.progress
    partition.progress = new Progress(logStart)
    partition.progress.change = change
    partition.suspectBefore = 0
    partition.claimed = 0
    partition.dirty = true
    partition.restart()
    this.#recount()
    this.#observer.lost(partition.name)
    this.#observer.assigned(partition.name, partition.lanes())
    this.#fetcher.wake()
  }

  /** A topic of ours is not there any more. */
  async #deleted(topic: string): Promise<void> {
    try {
      await this.#bus.topology.restore(this.channel)
      if (topic !== this.#lotTopic) return
      // What it held is known here, and written anew.
      for (const partition of this.#partitions.values()) {
        partition.lotOffset = 0
        void this.lot.tidy(partition)
      }
    } catch (error) {
      if (!this.#closed) report(this.#bus, 'error', `the topic ${topic} is gone and cannot be made anew`, toSluice(error, 'making a topic anew'))
    }
  }

  // Retention took what the group had not done.
  #skip(partition: OwnedPartition, logStart: number): void {
    const lost = logStart - partition.progress.watermark
    if (lost > 0)
      report(
        this.#bus,
        'warn',
        `${lost} messages of partition ${partition.index} of ${this.#topic} were deleted by its retention before group ${this.group} had them`,
      )
    partition.progress.done(partition.progress.watermark, logStart)
    partition.offset = Math.max(partition.offset, logStart)
    partition.dirty = true
  }

  // ------------------------------------------------------------ changes by administrators

  /** Carries out what was decided for the group and is not in this partition's progress yet. */
  #catchUp(partition: OwnedPartition): void {
    const changes = this.#entry()?.changes ?? []
    if (partition.state !== 'owned' || !changes.some(({ number }) => number > partition.progress.change)) return
    partition.state = 'paused'
    this.#observer.lost(partition.name)
    this.#changing = this.#changing.then(() => this.#change(partition)).catch(() => undefined)
  }

  async #change(partition: OwnedPartition): Promise<void> {
    // What was accepted before is written before.
    await this.#settlement.now()
    if (partition.state !== 'paused') return
    partition.restart()
    this.#recount()
    const { progress } = partition
    const notes: LotWrite[] = []
    for (const { number, change } of this.#entry()?.changes ?? []) {
      if (number <= progress.change) continue
      progress.change = number
      if (change.kind === 'again') {
        const [from, to] = change.ranges[partition.index] ?? [0, 0]
        progress.undo(from, to)
        if (to > from) notes.push({ note: { kind: 'forget', from, to } })
      } else {
        progress.done(progress.watermark, change.before[partition.index] ?? 0)
        notes.push({ note: { kind: 'clear', all: false } })
      }
    }
    partition.suspectBefore = 0
    partition.claimed = 0
    partition.dirty = true
    partition.offset = progress.watermark
    if (notes.length > 0) await this.lot.write(partition, notes)
    else await this.#settlement.now()
    if (partition.state !== 'paused') return
    partition.state = 'owned'
    this.#observer.assigned(partition.name, partition.lanes())
    this.#fetcher.wake()
    this.#catchUp(partition)
  }

  // ------------------------------------------------------------ bookkeeping

  #recount(): void {
    this.#window.recount([...this.#partitions.values()].flatMap(({ held }) => [...held]))
  }

  #settle(deliveries: readonly Delivery[], how: (delivery: KafkaDelivery) => void): void {
    const settle = (delivery: KafkaDelivery): void => {
      this.#window.left(delivery)
      how(delivery)
    }
    settleHeld(deliveries, settle, (late) => this.#closed || this.#observer.settlementLost(late, leaseLost()))
    this.#window.serveSoon()
  }

  #byOwner<T extends { readonly delivery: Delivery }>(records: readonly T[]): Map<OwnedPartition, T[]> {
    mustHold(records.map(({ delivery }) => delivery))
    const byOwner = new Map<OwnedPartition, T[]>()
    for (const record of records) {
      const { owner } = record.delivery as KafkaDelivery
      const list = byOwner.get(owner) ?? []
      byOwner.set(owner, list)
      list.push(record)
    }
    return byOwner
  }

  #find(name: string): OwnedPartition | undefined {
    const partition = this.#partitions.get(Number(name.split('/')[0]))
    return partition?.name === name ? partition : undefined
  }

  #mustOwn(name: string): OwnedPartition {
    const partition = this.#find(name)
    if (partition === undefined || (partition.state !== 'owned' && partition.state !== 'revoking')) throw leaseLost()
    return partition
  }
}
