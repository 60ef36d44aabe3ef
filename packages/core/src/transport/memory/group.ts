import { assignPartitions, mayOwnByTypes, partitionIndex, partitionName, placementKey } from '../partition/index.ts'
import type { GroupDeclaration, GroupStatus } from '../transport.ts'
import { Lot } from './lot.ts'
import { type Entry, type GroupHome, type Member, type MemoryDelivery, newEntry, type StoredMessage } from './model.ts'
import { EntryQueue } from './queue.ts'

/** A type that no live member has announced for this long is forgotten. */
const typeKeptMs = 24 * 3_600_000

interface Partition {
  readonly name: string
  readonly queue: EntryQueue
  owner: Member | undefined
  revoking: boolean
  /** Type that its last owner could not handle. */
  wants: string | undefined
}

/**
 * One group of a channel: what it has not accepted yet, who holds it, and who owns which partition.
 *
 * A partition is free → owned → revoking (drains) → free; or owned → free at once when its owner leaves, dies, or is
 * fenced. Unkeyed messages are in the shared queue, which nobody owns.
 */
export class Group {
  readonly channel: GroupHome
  readonly name: string
  readonly ephemeral: boolean
  readonly lot: Lot = new Lot(this)
  order: 'key' | 'channel' | 'none'
  concurrencyMax: number | undefined
  paused = false
  /** Everything not accepted, in the lot or not. */
  readonly pending: Set<Entry> = new Set()
  readonly members: Set<Member> = new Set()
  readonly shared: EntryQueue = new EntryQueue()
  inFlight = 0
  #partitions: Map<string, Partition> = new Map()
  #partitionCount = 0
  readonly #types: Map<string, number> = new Map()
  readonly #waitingForRoom: (() => void)[] = []
  #dispatching = false
  #provisional: boolean

  constructor(channel: GroupHome, declaration: GroupDeclaration) {
    this.channel = channel
    this.name = declaration.group
    this.ephemeral = declaration.ephemeral
    this.order = declaration.order
    this.concurrencyMax = declaration.groupConcurrency
    this.#provisional = declaration.provisional === true
    this.#rebuild()
  }

  /** Takes the settings of a member or of its own service; the order only where a sender had guessed it. */
  adopt(declaration: GroupDeclaration): void {
    this.concurrencyMax = declaration.groupConcurrency
    if (!this.#provisional) return
    this.#provisional = false
    this.order = declaration.order
    this.#rebuild()
  }

  get partitionCount(): number {
    return this.#partitionCount
  }

  ownerOf(partition: string): Member | undefined {
    return this.#partitions.get(partition)?.owner
  }

  // ------------------------------------------------------------ entries

  append(message: StoredMessage): void {
    const entry = newEntry(message)
    this.pending.add(entry)
    this.#enqueue(entry)
    this.wake()
  }

  /** Up to `countMax` ready entries of a consumer's partitions and of the shared queue, in order within each. */
  take(consumer: Member, countMax: number, bytesMax: number): MemoryDelivery[] {
    const deliveries: MemoryDelivery[] = []
    let bytes = 0
    const lacks = this.#lackedTypes(consumer)
    const mayShare = lacks.size === 0 ? undefined : (entry: Entry): boolean => !lacks.has(entry.message.envelope.type)
    const names = [...consumer.owned, '']
    const start = consumer.nextTurn(names.length)
    for (let i = 0; i < names.length; i++) {
      const name = names[(start + i) % names.length] as string
      const partition = this.#partitions.get(name)
      if (partition?.revoking === true) continue
      const queue = partition?.queue ?? this.shared
      for (;;) {
        const next = queue.peek()
        if (next === undefined || deliveries.length >= Math.min(countMax, this.#room())) break
        if (deliveries.length > 0 && bytes + next.message.sizeBytes > bytesMax) break
        const entry = queue.shift(partition === undefined ? mayShare : undefined)
        if (entry === undefined) break
        bytes += entry.message.sizeBytes
        deliveries.push(this.deliver(entry, consumer, name))
      }
    }
    return deliveries
  }

  deliver(entry: Entry, consumer: Member, partition: string): MemoryDelivery {
    const { message } = entry
    const delivery: MemoryDelivery = {
      envelope: message.envelope,
      partition,
      attempt: entry.attempt,
      deliveries: entry.deliveries,
      firstDeliveredAtMs: entry.firstDeliveredAtMs,
      notBeforeMs: entry.notBeforeMs,
      suspect: entry.suspect,
      storedAtMs: message.storedAtMs,
      sizeBytes: message.sizeBytes,
      fromLot: entry.lane !== undefined,
      note: entry.note,
      entry,
      member: consumer,
      state: 'held',
    }
    entry.holder = delivery
    entry.deliveries++
    entry.firstDeliveredAtMs ??= this.channel.clock.nowMs()
    this.inFlight++
    consumer.hold(delivery)
    return delivery
  }

  /** The delivery is over; what becomes of its entry is the caller's. */
  settle(delivery: MemoryDelivery, state: 'settled' | 'lost' = 'settled'): void {
    if (delivery.state !== 'held') return
    delivery.state = state
    delivery.entry.holder = undefined
    delivery.member.letGo(delivery)
    this.inFlight--
    this.#waitingForRoom.shift()?.()
    this.wake()
  }

  /** Out of the group: accepted, or dead. */
  finish(entry: Entry): void {
    this.pending.delete(entry)
    if (entry.lane !== undefined) this.lot.remove(entry)
  }

  giveBack(delivery: MemoryDelivery, state: 'settled' | 'lost' = 'settled'): void {
    if (delivery.state !== 'held') return
    this.settle(delivery, state)
    const { entry } = delivery
    if (entry.lane === undefined) (this.#partitions.get(delivery.partition)?.queue ?? this.shared).putBack(entry)
  }

  /** Resolves when the group's bound on concurrency lets one more through. */
  async room(): Promise<void> {
    while (this.#room() <= 0) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve))
  }

  /** Drops everything but dead letters; resolves to how many. */
  purge(): number {
    const dropped = this.pending.size
    this.pending.clear()
    this.lot.clear()
    this.#restart()
    return dropped
  }

  /** Delivers these again, besides what is pending anyway; returns how many are new. */
  replay(messages: readonly StoredMessage[]): number {
    const there = new Set([...this.pending].map((entry) => entry.message))
    const again = messages.filter((message) => !there.has(message) && !this.lot.holdsBehind(message)).map((message) => newEntry(message))
    this.lot.withdraw(new Set(again.map(({ message }) => message)))
    for (const entry of again) this.pending.add(entry)
    this.#restart()
    return again.length
  }

  /** Retention that does not wait: gives up what is below `position` and not held. */
  trim(position: number): void {
    for (const queue of [this.shared, ...[...this.#partitions.values()].map((partition) => partition.queue)])
      for (const entry of queue.dropBelow(position)) this.pending.delete(entry)
  }

  // ------------------------------------------------------------ members

  join(consumer: Member): void {
    this.members.add(consumer)
    this.#announceTypes()
    if (this.paused) consumer.observer.paused(true)
    this.rebalance()
  }

  /** A member is gone, by itself or because its lease ran out: what it held is ready again. */
  leave(consumer: Member, suspect: boolean): void {
    this.#announceTypes()
    if (!this.members.delete(consumer)) return
    this.#disown(consumer, suspect)
    if (this.ephemeral && this.members.size === 0) this.channel.removeGroup(this.name)
    this.rebalance()
  }

  /** The member lives, but everything it holds is taken from it, as when a lease runs out under a frozen process. */
  fence(consumer: Member): void {
    const names = [...consumer.owned]
    const unowned = this.#disown(consumer, true).filter((delivery) => delivery.partition === '')
    for (const name of names) consumer.observer.lost(name)
    if (unowned.length > 0) consumer.observer.lostDeliveries(unowned)
    this.rebalance()
  }

  setPaused(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    for (const member of this.members) if (!member.crashed) member.observer.paused(paused)
    this.wake()
  }

  yieldPartition(consumer: Member, name: string, type: string): void {
    const partition = this.#partitions.get(name)
    if (partition === undefined || partition.owner !== consumer) return
    partition.wants = type
    this.rebalance()
  }

  types(): ReadonlyMap<string, number> {
    this.#announceTypes()
    const live = new Map<string, number>([...this.#types.keys()].map((type) => [type, 0]))
    for (const member of this.members) for (const type of member.types) live.set(type, (live.get(type) ?? 0) + 1)
    return live
  }

  /** Hands out what is free, asks back what another should own, and grows the partitions once all are free. */
  rebalance(): void {
    const live = [...this.members].filter((member) => !member.crashed)
    if (this.#partitionCount !== this.#partitionsWanted()) {
      for (const partition of this.#partitions.values()) if (partition.owner !== undefined) this.#revoke(partition, partition.owner)
      if ([...this.#partitions.values()].some((partition) => partition.owner !== undefined)) return
      this.#rebuild()
    }
    const mayOwn = mayOwnByTypes(live, (name) => this.#partitions.get(name)?.wants)
    const plan = assignPartitions([...this.#partitions.keys()], live, mayOwn)
    for (const partition of this.#partitions.values()) {
      const owner = plan.get(partition.name)
      if (partition.owner === undefined && owner !== undefined) this.#assign(partition, owner)
      else if (partition.owner !== undefined && owner !== undefined && partition.owner !== owner) this.#revoke(partition, partition.owner)
    }
    this.wake()
  }

  /** Serves waiting consumers soon: one pass for all that happens in this turn of the event loop. */
  wake(): void {
    if (this.#dispatching) return
    this.#dispatching = true
    queueMicrotask(() => {
      this.#dispatching = false
      for (const member of this.members) member.serve()
    })
  }

  status(): GroupStatus {
    const nowMs = this.channel.clock.nowMs()
    let oldestMs = nowMs
    for (const entry of this.pending) oldestMs = Math.min(oldestMs, entry.message.storedAtMs)
    const lanes = this.lot.lanes()
    return {
      channel: this.channel.name,
      group: this.name,
      backlog: this.pending.size,
      oldestAgeMs: nowMs - oldestMs,
      inFlight: this.inFlight,
      deadLetters: this.lot.deadLetterCount,
      parkedLanes: lanes.filter((lane) => lane.state === 'parked').length,
      suspendedLanes: lanes.filter((lane) => lane.state === 'suspended').length,
      consumers: this.members.size,
      paused: this.paused,
    }
  }

  #assign(partition: Partition, owner: Member): void {
    partition.owner = owner
    owner.owned.add(partition.name)
    owner.observer.assigned(partition.name, this.lot.lanes(partition.name))
  }

  #revoke(partition: Partition, owner: Member): void {
    // A dead owner cannot drain: its lease must run out first.
    if (partition.revoking || owner.crashed) return
    partition.revoking = true
    const done = (): void => {
      if (partition.owner !== owner) return
      for (const delivery of owner.heldOf(partition.name)) this.giveBack(delivery, 'lost')
      this.#free(partition)
      this.rebalance()
    }
    owner.observer.revoking(partition.name).then(done, done)
  }

  #free(partition: Partition): void {
    partition.owner?.owned.delete(partition.name)
    partition.owner = undefined
    partition.revoking = false
  }

  #disown(consumer: Member, suspect: boolean): MemoryDelivery[] {
    const held = consumer.heldOf()
    for (const delivery of held) {
      delivery.entry.suspect ||= suspect
      this.giveBack(delivery, 'lost')
    }
    for (const partition of this.#partitions.values()) if (partition.owner === consumer) this.#free(partition)
    return held
  }

  /** Takes everything from everybody, and begins anew with what is pending. */
  #restart(): void {
    for (const member of this.members) {
      const names = [...member.owned]
      const unowned = this.#disown(member, false).filter((delivery) => delivery.partition === '')
      for (const name of names) member.observer.lost(name)
      if (unowned.length > 0) member.observer.lostDeliveries(unowned)
    }
    this.#rebuild()
    this.rebalance()
  }

  #rebuild(): void {
    const count = this.#partitionsWanted()
    this.#partitionCount = count
    this.#partitions = new Map(
      Array.from({ length: count }, (_, index) => {
        const name = partitionName(index, count)
        return [name, { name, queue: new EntryQueue(), owner: undefined, revoking: false, wants: undefined }]
      }),
    )
    this.shared.dropBelow(Infinity)
    const entries = [...this.pending].filter((entry) => entry.lane === undefined && entry.holder === undefined)
    for (const entry of entries.sort((a, b) => a.message.position - b.message.position)) this.#enqueue(entry)
    this.lot.replace(count)
  }

  #enqueue(entry: Entry): void {
    const place = placementKey(entry.message.envelope, this.order)
    const owned = place === undefined ? undefined : this.#partitions.get(partitionName(partitionIndex(place, this.#partitionCount), this.#partitionCount))
    const queue = owned?.queue ?? this.shared
    queue.push(entry)
  }

  #partitionsWanted(): number {
    return this.order === 'channel' ? 1 : this.channel.partitions
  }

  #room(): number {
    return this.concurrencyMax === undefined ? Infinity : this.concurrencyMax - this.inFlight
  }

  /** Types that other live members handle and this one does not: their unkeyed messages are not for it. */
  #lackedTypes(consumer: Member): ReadonlySet<string> {
    const lacked = new Set<string>()
    for (const member of this.members)
      if (member !== consumer && !member.crashed) for (const type of member.types) if (!consumer.types.has(type)) lacked.add(type)
    return lacked
  }

  #announceTypes(): void {
    const nowMs = this.channel.clock.nowMs()
    for (const member of this.members) for (const type of member.types) this.#types.set(type, nowMs)
    for (const [type, seenMs] of this.#types) if (nowMs - seenMs > typeKeptMs) this.#types.delete(type)
  }
}
