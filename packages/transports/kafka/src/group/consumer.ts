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
import { toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import type { GroupEntry } from '../registry/state.ts'
import { GroupChanges } from './changes.ts'
import { Holdings } from './holdings.ts'
import { LotKeeper } from './lot-keeper.ts'
import { Membership } from './membership.ts'
import type { KafkaDelivery, OwnedPartition } from './partition.ts'
import type { Assignment } from './plan.ts'
import { Settlement } from './settlement.ts'

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
  readonly #holdings: Holdings
  readonly #changes: GroupChanges
  readonly #window: ReceiveWindow
  readonly #membership: Membership
  readonly #settlement: Settlement
  readonly #onChange = (): void => this.#look()
  #begin: () => void = () => {}
  readonly #begun: Promise<void> = new Promise((resolve) => {
    this.#begin = resolve
  })
  #types: Readonly<Record<string, number>> = {}
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
    this.channel = channel
    this.group = group
    this.#window = new ReceiveWindow(subscription, (countMax, bytesMax) => this.#handOut(countMax, bytesMax))
    this.#membership = new Membership({
      bus,
      groupId: names.group(channel, group),
      partitions,
      types: subscription.types,
      wants: () => registry.state.group(channel, group)?.wants ?? {},
      owned: () => this.#holdings.indexes(),
      assigned: (assignment) => this.#assigned(assignment),
      fenced: () => {
        if (this.#holdings.size > 0) report(bus, 'warn', `group ${group} went on without this member, which was not heard in time; it joins again`)
        for (const partition of [...this.#holdings.values()]) this.#holdings.lose(partition)
      },
    })
    this.#settlement = new Settlement({
      bus,
      membership: this.#membership,
      topic: names.channel(channel),
      lotTopic: names.lot(channel, group),
      transactionalId: names.transaction(newId()),
      partitions: () => this.#holdings.values(),
      claimed: () => this.#window.serve(),
      settlementLost: (deliveries, error) => {
        if (!this.#closed) this.#observer.settlementLost(deliveries, error)
      },
    })
    this.lot = new LotKeeper({
      ...{ bus, channel, group, settlement: this.#settlement },
      isClosed: () => this.#closed,
      mustOwn: (name) => this.#holdings.mustOwn(name),
      settled: () => this.#holdings.recount(),
      lotChanged: (partition, lanes) => this.#observer.lotChanged(partition, lanes),
    })
    const shared = { observer, settlement: this.#settlement, lot: this.lot, entry: () => this.#entry() }
    this.#holdings = new Holdings({
      ...{ bus, channel, group, partitions, window: this.#window, membership: this.#membership, ...shared },
      isClosed: () => this.#closed,
      opened: (partition) => this.#changes.catchUp(partition),
    })
    this.#changes = new GroupChanges({ ...shared, holdings: this.#holdings })
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
    const owned = [...this.#holdings.values()]
    this.#turn++
    for (let i = 0; i < owned.length && taken.length < countMax; i++) {
      const partition = owned[(i + this.#turn) % owned.length] as OwnedPartition
      for (let next = partition.peek(); next !== undefined && taken.length < countMax; next = partition.peek()) {
        if (taken.length > 0 && bytes + next.sizeBytes > bytesMax) break
        taken.push(partition.handOut())
        bytes += next.sizeBytes
      }
    }
    if (taken.length > 0) this.#holdings.wake()
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
    this.#holdings.recount()
  }

  async flush(): Promise<void> {
    await this.#settlement.now()
    // What was written to a lot counts when it was read back.
    await Promise.all([...this.#holdings.values()].map((partition) => this.lot.readBack(partition)))
  }

  groupTypes(): ReadonlyMap<string, number> {
    const recorded = this.#entry()?.types ?? {}
    return new Map([...Object.keys(recorded), ...Object.keys(this.#types)].map((type) => [type, this.#types[type] ?? 0]))
  }

  yieldPartition(partition: string, type: string): void {
    const { channel, group } = this
    const owned = this.#holdings.find(partition)
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
    for (const { held } of this.#holdings.values()) count += held.size
    return count
  }

  owned(): readonly { readonly channel: string; readonly index: number; readonly bytesEach: number }[] {
    return [...this.#holdings.values()].map(({ index, bytesEach }) => ({ channel: this.channel, index, bytesEach }))
  }

  /** Dies, as a killed process would. */
  crash(): void {
    this.#stop()
    void this.#membership.leave(true)
    void this.#holdings.close()
    this.#settlement.close()
    for (const partition of this.#holdings.values()) partition.lose()
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
    await this.#holdings.close()
    await Promise.all([...this.#holdings.values()].map((partition) => this.#holdings.letGo(partition)))
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

  #assigned(assignment: Assignment): void {
    if (this.#closed) return
    this.#types = assignment.types
    if (assignment.isSettled) this.#begin()
    this.#holdings.assigned(assignment)
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
    for (const partition of this.#holdings.values()) {
      this.#holdings.readLot(partition)
      this.#changes.catchUp(partition)
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

  // ------------------------------------------------------------ bookkeeping

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
}
