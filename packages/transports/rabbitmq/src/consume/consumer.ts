/** A member of a group: owns partitions as the registry's plan says, hands out what comes, settles. */
import {
  type AttemptRecord,
  attemptsOf,
  type Clock,
  type Consumer,
  type ConsumerObserver,
  type DeadLetterRecord,
  type Delivery,
  leaseLost,
  mustHold,
  type ParkingLot,
  ReceiveWindow,
  type Subscription,
  settleHeld,
  type TransportReport,
} from '@sluice/core/transport'
import { BindingWatch } from '../bindings/binding-watch.ts'
import type { DeadLetters } from '../dead/dead-letters.ts'
import { Growth } from '../growth/growth.ts'
import { isNotFound } from '../link/errors.ts'
import type { Link, LinkUser } from '../link/link.ts'
import type { LotNote } from '../lot/lot-state.ts'
import type { Instance } from '../member/instance.ts'
import type { Names } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import type { GroupEntry, MemberEntry } from '../registry/state.ts'
import type { Publisher } from '../send/publisher.ts'
import type { TopologyKeeper } from '../topology.ts'
import type { DeliveryOwner, RabbitDelivery } from './delivery.ts'
import { OwnedPartition, type PartitionHome } from './partition.ts'

/** What consumers of a transport share. */
export interface ConsumerHome {
  readonly link: Link
  readonly publisher: Publisher
  readonly clock: Clock
  readonly registry: Registry
  readonly instance: Instance
  readonly names: Names
  readonly topology: TopologyKeeper
  readonly deadLetters: DeadLetters
  report(event: TransportReport): void
  left(consumer: RabbitConsumer): void
}

/** What did not succeed is tried again after this, ms. */
const againMs = 100

/** See the header of this file. */
export class RabbitConsumer implements Consumer, LinkUser {
  readonly lot: ParkingLot
  readonly channel: string
  readonly group: string
  readonly #home: ConsumerHome
  readonly #subscription: Subscription
  readonly #observer: ConsumerObserver
  readonly #member: MemberEntry
  readonly #partitions: Map<string, OwnedPartition> = new Map()
  readonly #onChange = (): void => this.#look()
  readonly #window: ReceiveWindow
  #turn = 0
  #paused = false
  #joining = false
  /** Nothing is taken meanwhile: the connection of who consumes from a queue that is being declared is ended (541). */
  #remaking = false
  readonly #growth: Growth
  #watch: BindingWatch | undefined
  #closed = false

  constructor(home: ConsumerHome, subscription: Subscription, observer: ConsumerObserver, id: string) {
    this.#home = home
    this.#subscription = subscription
    this.#observer = observer
    this.channel = subscription.channel
    this.group = subscription.group
    this.#window = new ReceiveWindow(subscription, (countMax, bytesMax) => this.#handOut(countMax, bytesMax))
    this.#member = { id, instance: home.instance.id, types: subscription.types }
    this.#growth = new Growth(home, id, this.#onChange, (event) => home.report(event))
    this.lot = {
      move: (lane, deliveries, state, first) => this.#move(lane, deliveries, state, first),
      read: async (partition, lane, countMax) => this.#mustOwn(partition).read(lane, countMax),
      reschedule: async (partition, lane, dueAtMs, head) => this.#reschedule(partition, lane, dueAtMs, head),
    }
  }

  /** Joins; those who died before us are struck first, so that we know what they held. */
  async join(): Promise<void> {
    const { registry, instance, link } = this.#home
    await registry.sync()
    const others = new Set(this.#entry()?.members.map((member) => member.instance))
    others.delete(instance.id)
    if (others.size > 0) await instance.findDead([...others])
    registry.changes.listen(this.#onChange)
    link.use(this)
    await this.#announce()
    this.#watch = new BindingWatch(this.#home, this, this.#member.id)
    this.#look()
  }

  up(): void {
    this.#look()
  }

  // ------------------------------------------------------------ receiving

  receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    return this.#window.receive(countMax, bytesMax)
  }

  #handOut(countMax: number, bytesMax: number): readonly RabbitDelivery[] {
    const taken: RabbitDelivery[] = []
    if (this.#paused) return taken
    let bytes = 0
    const owned = [...this.#partitions.values()].filter((partition) => partition.state === 'owned')
    for (let i = 0; i < owned.length && taken.length < countMax; i++) {
      const partition = owned[(i + this.#turn) % owned.length] as OwnedPartition
      let count = 0
      for (const delivery of partition.buffer) {
        if (taken.length >= countMax || (taken.length > 0 && bytes + delivery.sizeBytes > bytesMax)) break
        taken.push(delivery)
        bytes += delivery.sizeBytes
        partition.held.add(delivery)
        count++
      }
      if (count > 0) partition.buffer.splice(0, count)
    }
    this.#turn++
    return taken
  }

  // ------------------------------------------------------------ settling

  accept(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => delivery.owner.accept(delivery))
  }

  release(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => delivery.owner.release(delivery))
  }

  async record(records: readonly AttemptRecord[]): Promise<void> {
    const byOwner = group(mustHold<RabbitDelivery>(records.map(({ delivery }) => delivery)), records)
    await Promise.all(
      [...byOwner].map(([owner, mine]) =>
        owner.write(mine.map((record) => ({ note: { kind: 'progress', id: record.delivery.envelope.id, progress: attemptsOf(record) } }))),
      ),
    )
  }

  async deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    const held = mustHold<RabbitDelivery>(records.map(({ delivery }) => delivery))
    const letters = await this.#home.deadLetters.put(this.channel, this.group, records)
    // Parking a lane voids what was read of it; these are on their way out.
    for (const { entry } of held) if (entry !== undefined) entry.isHeld = false
    const byOwner = group(
      held,
      records.map((record, i) => ({ record, letterId: letters[i] as string })),
    )
    await Promise.all([...byOwner].map(([owner, mine]) => this.#park(owner, mine)))
    this.#settle(held, (delivery) => delivery.owner.accept(delivery))
  }

  async #park(owner: DeliveryOwner, letters: readonly { readonly record: DeadLetterRecord; readonly letterId: string }[]): Promise<void> {
    const notes: { readonly note: LotNote }[] = []
    for (const { record, letterId } of letters) {
      const { mode, lane, delivery } = record
      if (mode !== 'park' || lane.startsWith('id:')) continue
      notes.push({ note: { kind: 'lane', lane, state: 'parked', dueAtMs: 0, parkedBy: letterId, deadId: delivery.envelope.id } })
    }
    if (notes.length > 0) await owner.write(notes)
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#partitions.values()].map((partition) => partition.flush()))
  }

  groupTypes(): ReadonlyMap<string, number> {
    const entry = this.#entry()
    const counts = new Map(Object.keys(entry?.types ?? {}).map((type) => [type, 0]))
    for (const { types } of entry?.members ?? []) for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1)
    return counts
  }

  /** An answer on our connection: had the server given it up meanwhile, its end is read, and told, before. */
  async confirmHeld(): Promise<void> {
    const { link, names } = this.#home
    await link.ask((channel) => channel.checkQueue(names.registry)).catch(() => undefined)
  }

  yieldPartition(partition: string, type: string): void {
    const { channel, group: name } = this
    if (this.#entry()?.wants[partition] === type) return
    void this.#home.registry.append({ op: 'wants', channel, group: name, partition, type }).catch(() => undefined)
  }

  // ------------------------------------------------------------ the lot

  async #move(
    lane: string,
    deliveries: readonly Delivery[],
    { state, dueAtMs }: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first: AttemptRecord | undefined,
  ): Promise<void> {
    const held = mustHold<RabbitDelivery>(deliveries)
    const owner = held[0]?.owner
    if (owner === undefined) return
    await owner.write(
      held.map((message, i) => {
        const progress = first !== undefined && i === 0 ? attemptsOf(first) : owner.lot.progressOf(message.envelope.id)
        const note: LotNote = {
          kind: 'entry',
          lane,
          state,
          dueAtMs,
          deliveries: message.deliveries + 1,
          redrives: message.entry?.redrives ?? 0,
          ...(progress === undefined ? {} : { progress }),
        }
        return { note, message }
      }),
    )
    this.#settle(held, (delivery) => delivery.owner.accept(delivery))
  }

  async #reschedule(partition: string, lane: string, dueAtMs: number, head: AttemptRecord | undefined): Promise<void> {
    const owner = this.#mustOwn(partition)
    const known = owner.lot.lanes.get(lane)
    if (known === undefined) return
    const { state, parkedBy, deadId } = known
    const note: LotNote = {
      kind: 'lane',
      lane,
      state,
      dueAtMs,
      ...(parkedBy === undefined ? {} : { parkedBy }),
      ...(deadId === undefined ? {} : { deadId }),
      ...(head === undefined ? {} : { head: { id: head.delivery.envelope.id, progress: attemptsOf(head) } }),
    }
    await owner.write([{ note }])
  }

  // ------------------------------------------------------------ for the transport

  /** What only this member knows. */
  holdings(): {
    unsettled: number
    inFlight: number
    entries: number
    suspended: number
    parked: number
    behind: Record<string, number>
    partitions: string[]
  } {
    const sum = { unsettled: 0, inFlight: 0, entries: 0, suspended: 0, parked: 0, behind: {} as Record<string, number>, partitions: [] as string[] }
    for (const partition of this.#partitions.values()) {
      if (partition.state === 'owned' || partition.state === 'revoking') sum.partitions.push(partition.name)
      sum.unsettled += partition.unsettled
      sum.inFlight += partition.held.size
      sum.entries += partition.lot.count
      for (const lane of partition.lot.lanes.values()) {
        sum[lane.state]++
        if (lane.parkedBy !== undefined) sum.behind[lane.parkedBy] = lane.entries.length
      }
    }
    return sum
  }

  async lookAtLot(partition: string): Promise<void> {
    await this.#partitions.get(partition)?.lookAtLot()
  }

  /** Drops the backlog that is here, and the lot; resolves to how many. */
  async drop(): Promise<number> {
    let dropped = 0
    for (const partition of [...this.#partitions.values()]) {
      if (partition.state !== 'owned') continue
      dropped += partition.unsettled + partition.lot.count
      await partition.dropAll()
      this.#observer.lost(partition.name)
      this.#forget(partition)
    }
    this.#look()
    return dropped
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#window.close()
    const { registry, link } = this.#home
    registry.changes.unlisten(this.#onChange)
    link.leave(this)
    await Promise.all([this.#growth.close(), this.#watch?.close()])
    await Promise.all([...this.#partitions.values()].map((partition) => partition.letGo()))
    this.#partitions.clear()
    const { channel, group: name } = this
    const entry = this.#entry()
    await registry.append({ op: 'leave', channel, group: name, id: this.#member.id, nowMs: this.#home.clock.nowMs() }).catch(() => undefined)
    if (this.#subscription.ephemeral && entry !== undefined) await this.#home.topology.removeGroup(entry).catch(() => undefined)
    this.#home.left(this)
  }

  #entry(): GroupEntry | undefined {
    return this.#home.registry.state.group(this.channel, this.group)
  }

  async #announce(): Promise<void> {
    const { channel, group: name } = this
    await this.#home.registry.append({ op: 'join', channel, group: name, member: this.#member, nowMs: this.#home.clock.nowMs() })
  }

  /** Looks at what has changed: pause, plan, our own membership. */
  #look(): void {
    const entry = this.#entry()
    if (this.#closed || !this.#home.link.isUp) return
    if (entry === undefined) {
      this.#rejoin(() => this.#home.topology.group(this.#subscription))
      return
    }
    if (entry.paused !== this.#paused) {
      this.#paused = entry.paused
      this.#observer.paused(entry.paused)
      this.#window.serve()
    }
    if (!entry.members.some(({ id }) => id === this.#member.id)) {
      // Taken for dead while we were away.
      this.#rejoin(() => undefined)
      return
    }
    this.#growth.lead(entry)
    const plan = this.#home.registry.state.plan(entry)
    if (entry.growth !== undefined) {
      // What is ours is handed back; when nobody consumes any more it is moved.
      for (const partition of this.#partitions.values()) void this.#revoke(partition)
      this.#growth.move(entry, plan, (name) => this.#partitions.has(name))
      return
    }
    for (const partition of this.#partitions.values()) if (plan.get(partition.name)?.id !== this.#member.id) void this.#revoke(partition)
    if (this.#remaking) return
    for (const [name, owner] of plan) if (owner.id === this.#member.id && !this.#partitions.has(name)) void this.#take(name)
  }

  /** Announces this member again, after what must be made before; tries until it is done. */
  #rejoin(before: () => unknown): void {
    if (this.#joining) return
    this.#joining = true
    void Promise.resolve(before())
      .then(() => (this.#closed ? undefined : this.#announce()))
      .catch(() => undefined)
      .finally(() => {
        this.#joining = false
        if (!this.#closed) this.#home.clock.setTimer(againMs, () => this.#look())
      })
  }

  async #take(name: string): Promise<void> {
    const { channel, group: groupName } = this
    const partition = new OwnedPartition(this.#partitionHome(), name)
    this.#partitions.set(name, partition)
    try {
      const lanes = await partition.take()
      if (partition.state !== 'taking') throw leaseLost()
      partition.begin()
      this.#observer.assigned(name, lanes)
      if (this.#entry()?.orphans.includes(name) === true)
        void this.#home.registry.append({ op: 'adopted', channel, group: groupName, partition: name }).catch(() => undefined)
      this.#look()
      this.#window.serve()
    } catch (error) {
      if (this.#partitions.get(name) === partition) this.#partitions.delete(name)
      partition.lose()
      if (isNotFound(error) && !this.#closed) this.#remake()
      if (!this.#closed) this.#home.clock.setTimer(againMs, () => this.#look())
    }
  }

  /** Somebody deleted a queue of ours: better an empty one than a member that consumes nothing for ever. */
  #remake(): void {
    if (this.#remaking) return
    this.#remaking = true
    this.#home.report({
      level: 'error',
      message: `a queue of group "${this.group}" of channel "${this.channel}" was deleted: it is made again, what was in it is lost`,
    })
    const attempt = async (): Promise<void> => {
      const entry = this.#entry()
      if (!this.#closed && entry !== undefined && entry.growth === undefined) await this.#home.topology.remake(entry)
    }
    // To its end, for what is there and not bound gets nothing.
    const again = (): void =>
      void attempt().then(
        () => {
          this.#remaking = false
          this.#look()
        },
        () => void this.#home.clock.setTimer(againMs, again),
      )
    again()
  }

  async #revoke(partition: OwnedPartition): Promise<void> {
    if (partition.state === 'taking') {
      this.#partitions.delete(partition.name)
      await partition.letGo()
      return
    }
    if (partition.state !== 'owned') return
    partition.state = 'revoking'
    await this.#observer.revoking(partition.name).catch(() => undefined)
    if (partition.isGone) return
    await partition.letGo()
    this.#forget(partition)
    this.#look()
  }

  #forget(partition: OwnedPartition): void {
    if (this.#partitions.get(partition.name) === partition) this.#partitions.delete(partition.name)
    this.#window.recount([...this.#partitions.values()].flatMap(({ held }) => [...held]))
  }

  #partitionHome(): PartitionHome {
    const { link, publisher, clock, names, topology } = this.#home
    const { channel, group: name } = this
    return {
      link,
      publisher,
      clock,
      nowMs: () => clock.nowMs(),
      queue: (partition) => names.partition(channel, name, partition),
      lotQueue: (partition) => names.lot(channel, name, partition),
      hasLot: (partition) => this.#entry()?.lots.includes(partition) === true,
      makeLot: (partition) => topology.lot(channel, name, partition),
      isOrphan: (partition) => this.#entry()?.orphans.includes(partition) === true,
      deathWatch: () => this.#deathWatch(),
      beforeQueue: (partition) => (this.#entry()?.befores.includes(partition) === true ? names.before(channel, name, partition) : undefined),
      beforeDone: (partition) =>
        void this.#home.registry
          .append({ op: 'before-done', channel, group: name, partition })
          .then(() => topology.removeEmpty([names.before(channel, name, partition)]))
          .catch(() => undefined),
      // What one read of the socket brings is handed out together.
      arrived: () => this.#window.serveSoon(),
      lanesChanged: (partition, lanes) => this.#observer.lotChanged(partition, lanes),
      gone: (partition) => this.#lost(partition),
      renew: (partition) => void this.#revoke(partition),
      report: (event) => this.#home.report(event),
    }
  }

  #deathWatch(): () => Promise<boolean> {
    const deaths = this.#entry()?.deaths
    return async () => {
      const { instance } = this.#home
      const others = new Set(this.#entry()?.members.map((member) => member.instance))
      others.delete(instance.id)
      await instance.findDead([...others]).catch(() => [])
      return this.#entry()?.deaths !== deaths
    }
  }

  #lost(partition: OwnedPartition): void {
    if (this.#partitions.get(partition.name) !== partition) return
    this.#forget(partition)
    this.#observer.lost(partition.name)
    if (!this.#closed) this.#home.clock.setTimer(50, () => this.#look())
  }

  #settle(deliveries: readonly Delivery[], how: (delivery: RabbitDelivery) => void): void {
    const settle = (delivery: RabbitDelivery): void => {
      this.#window.left(delivery)
      how(delivery)
    }
    settleHeld(deliveries, settle, (late) => this.#closed || this.#observer.settlementLost(late, leaseLost()))
    this.#window.serveSoon()
  }

  #mustOwn(name: string): OwnedPartition {
    const partition = this.#partitions.get(name)
    if (partition === undefined || (partition.state !== 'owned' && partition.state !== 'revoking')) throw leaseLost()
    return partition
  }
}

function group<T>(held: readonly RabbitDelivery[], items: readonly T[]): Map<DeliveryOwner, T[]> {
  const byOwner = new Map<DeliveryOwner, T[]>()
  held.forEach(({ owner }, i) => {
    byOwner.set(owner, [...(byOwner.get(owner) ?? []), items[i] as T])
  })
  return byOwner
}
