import type { Envelope } from '../../message/envelope.ts'
import { describeLane, emptyLane, LotLanes, queried } from '../lot/index.ts'
import { partitionIndex, partitionName, placementKey } from '../partition/index.ts'
import type { AttemptRecord, DeadLetter, DeadLetterQuery, DeadLetterRecord, LotLane } from '../transport.ts'
import { type Entry, type Lane, type Member, type MemoryDelivery, newEntry, type StoredMessage } from './model.ts'

/** What the lot asks of its group. */
export interface LotGroup {
  readonly order: 'key' | 'channel' | 'none'
  readonly partitionCount: number
  /** The delivery is over; what becomes of its entry is the lot's. */
  settle(delivery: MemoryDelivery): void
  ownerOf(partition: string): Member | undefined
}

/** A group's parking lot and its dead letters. Callers have checked that deliveries are still held. */
export class Lot {
  readonly #group: LotGroup
  readonly #lanes: LotLanes<Entry, Lane> = new LotLanes()
  readonly #deadLetters: Map<string, { readonly entry: Entry; readonly lane: string; readonly letter: DeadLetter }> = new Map()
  #nextDeadLetter = 1

  constructor(group: LotGroup) {
    this.#group = group
  }

  lane(name: string): Lane | undefined {
    return this.#lanes.get(name)
  }

  /** Entries of a lane that nobody holds, in order, at most `countMax`; undefined: it is parked. */
  free(name: string, countMax: number): readonly Entry[] | undefined {
    return this.#lanes.free(name, countMax, ({ holder }) => holder !== undefined)
  }

  lanes(partition?: string): LotLane[] {
    return [...this.#lanes.values()].filter((lane) => partition === undefined || lane.partition === partition).map((lane) => describeLane(lane, lane.partition))
  }

  get deadLetterCount(): number {
    return this.#deadLetters.size
  }

  /** After the number of partitions has changed. */
  replace(partitions: number): void {
    for (const lane of this.#lanes.values()) lane.partition = partitionName(partitionIndex(lane.place, partitions), partitions)
  }

  /** Moves what consumers hold to the end of a lane. */
  move(
    name: string,
    deliveries: readonly MemoryDelivery[],
    state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first: AttemptRecord | undefined,
  ): void {
    const head = deliveries[0]
    if (head === undefined) return
    const known = this.#lanes.get(name)
    const lane = known ?? this.#make(name, head.envelope, state)
    if (known === undefined && first !== undefined) remember(head.entry, first)
    for (const delivery of deliveries) {
      this.#group.settle(delivery)
      delivery.entry.lane = lane
      lane.entries.push(delivery.entry)
    }
    // An unkeyed message was nobody's own: whoever owns the partition of its lane drains it from here on.
    if (head.partition === '') this.#announce(lane)
  }

  reschedule(lane: Lane, dueAtMs: number, head: AttemptRecord | undefined): void {
    lane.dueAtMs = dueAtMs
    const first = lane.entries[0]
    if (first !== undefined && head !== undefined) remember(first, head)
    this.#void(lane)
  }

  /** Takes a settled entry out of its lane; a suspended lane is gone with its last one. */
  remove(entry: Entry): void {
    const lane = entry.lane as Lane
    entry.lane = undefined
    this.#lanes.remove(lane, entry)
  }

  deadLetter(record: DeadLetterRecord, entry: Entry): void {
    const { envelope } = entry.message
    const deadLetterId = String(this.#nextDeadLetter++).padStart(12, '0')
    let lane = entry.lane
    if (record.mode === 'park' && placementKey(envelope, this.#group.order) !== undefined) {
      lane ??= this.#lanes.get(record.lane) ?? this.#make(record.lane, envelope, { state: 'parked', dueAtMs: 0 })
      this.#lanes.park(lane, deadLetterId)
      this.#void(lane)
    }
    if (entry.lane !== undefined) this.remove(entry)
    this.#deadLetters.set(deadLetterId, {
      entry,
      lane: record.lane,
      letter: { deadLetterId, envelope, reason: record.reason, parkedBehind: 0, redrives: entry.redrives },
    })
  }

  list(query: DeadLetterQuery): DeadLetter[] {
    return this.#matching(query).map(({ lane, letter }) => ({ ...letter, parkedBehind: this.#lanes.countBehind(lane, letter.deadLetterId) }))
  }

  redrive(query: DeadLetterQuery): Entry[] {
    const back: Entry[] = []
    const changed = new Set<Lane>()
    for (const { letter, entry, lane: name } of this.#matching(query)) {
      this.#deadLetters.delete(letter.deadLetterId)
      const again = newEntry(entry.message, letter.redrives + 1)
      const lane = this.#lanes.get(name) ?? this.#make(name, letter.envelope, { state: 'suspended', dueAtMs: 0 })
      again.lane = lane
      this.#lanes.putBack(lane, again, letter.deadLetterId, (other) => other.message.position > again.message.position)
      back.push(again)
      changed.add(lane)
    }
    for (const lane of changed) this.#announce(lane)
    return back
  }

  discard(query: DeadLetterQuery): number {
    const dead = this.#matching(query)
    for (const { lane: name, letter } of dead) {
      this.#deadLetters.delete(letter.deadLetterId)
      const lane = this.#lanes.letGo(name, letter.deadLetterId)
      if (lane !== undefined) this.#announce(lane)
    }
    return dead.length
  }

  /** Whether messages wait behind a dead letter of this one: it comes back before them only by a redrive. */
  holdsBehind(message: StoredMessage): boolean {
    for (const { entry, lane, letter } of this.#deadLetters.values())
      if (entry.message === message && this.#lanes.countBehind(lane, letter.deadLetterId) > 0) return true
    return false
  }

  /** These are delivered again: dead letters of them would bring them a second time. */
  withdraw(messages: ReadonlySet<StoredMessage>): void {
    const deadLetterIds = [...this.#deadLetters.values()].filter(({ entry }) => messages.has(entry.message)).map(({ letter }) => letter.deadLetterId)
    this.discard({ deadLetterIds })
  }

  /** Forgets every lane; its entries are the caller's to drop. */
  clear(): void {
    this.#lanes.clear()
  }

  /** What was read of the lane and not settled is back in it. */
  #void(lane: Lane): void {
    for (const entry of lane.entries) if (entry.holder !== undefined) this.#group.settle(entry.holder)
  }

  #make(name: string, head: Envelope, state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number }): Lane {
    const partitions = this.#group.partitionCount
    const place = placementKey(head, this.#group.order) ?? head.id
    const partition = partitionName(partitionIndex(place, partitions), partitions)
    return this.#lanes.add({ ...emptyLane<Entry>(name, state.state, state.dueAtMs), place, partition })
  }

  #announce(lane: Lane): void {
    this.#group.ownerOf(lane.partition)?.observer.lotChanged(lane.partition, [describeLane(lane, lane.partition)])
  }

  #matching(query: DeadLetterQuery): { readonly entry: Entry; readonly lane: string; readonly letter: DeadLetter }[] {
    return queried(this.#deadLetters.values(), ({ letter }) => letter, query)
  }
}

/** Writes down what the core wants remembered about an entry. */
export function remember(entry: Entry, record: AttemptRecord): void {
  entry.attempt = record.attempt
  entry.firstDeliveredAtMs = record.firstDeliveredAtMs
  entry.notBeforeMs = record.notBeforeMs
  entry.note = record.note
  entry.suspect = false
}
