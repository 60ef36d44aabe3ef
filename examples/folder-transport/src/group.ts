import {
  assignPartitions,
  type ConsumerObserver,
  type DeadLetter,
  type DeadLetterQuery,
  type DeadLetterRecord,
  type GroupDeclaration,
  type GroupStatus,
  type HeldDelivery,
  mayOwnByTypes,
  partitionIndex,
  partitionName,
  placementKey,
  queried,
} from '@sluice/core/transport'
import { replaceFile } from './durable-file.ts'
import type { GroupHome, StoredMessage } from './model.ts'

/** A type that no live member has announced for this long is forgotten. */
const typeKeptMs = 24 * 3_600_000

/** What a group knows of a message that it has not accepted. */
export interface Entry {
  readonly message: StoredMessage
  holder: FolderDelivery | undefined
  attempt: number
  deliveries: number
  firstDeliveredAtMs: number | undefined
  notBeforeMs: number
  suspect: boolean
  note: string | undefined
  redrives: number
}

/** A delivery that knows its entry and its member. */
export interface FolderDelivery extends HeldDelivery {
  readonly entry: Entry
  readonly member: Member
}

/** A consumer, as its group sees it. */
export interface Member {
  readonly id: string
  readonly observer: ConsumerObserver
  readonly types: ReadonlySet<string>
  readonly owned: Set<string>
  readonly held: Set<FolderDelivery>
  /** A delivery is over. */
  letGo(delivery: FolderDelivery): void
  /** Answers a waiting `receive` if there is something for it. */
  serve(): void
}

/** Messages that wait for a member; one owner, or, with the name '', shared by all members. */
interface Partition {
  readonly name: string
  readonly ready: Entry[]
  owner: Member | undefined
  revoking: boolean
  /** Type that its last owner could not handle. */
  wants: string | undefined
}

interface Dead {
  readonly letter: Omit<DeadLetter, 'envelope'>
  readonly position: number
}

/** As it is kept in the group's file. */
interface Saved {
  readonly order: GroupDeclaration['order']
  readonly provisional: boolean
  readonly paused: boolean
  /** Messages of the channel that it has looked at; what came later is pending. */
  readonly seen: number
  readonly pending: readonly number[]
  readonly progress: Readonly<Record<number, Partial<Pick<Entry, 'attempt' | 'deliveries' | 'firstDeliveredAtMs' | 'notBeforeMs' | 'note' | 'redrives'>>>>
  readonly dead: readonly Dead[]
  readonly nextDeadId: number
  readonly types: Readonly<Record<string, number>>
}

/** One group of a channel: what it has not accepted, who holds it, who owns which partition. */
export class Group {
  readonly channel: GroupHome
  readonly name: string
  readonly ephemeral: boolean
  order: GroupDeclaration['order']
  paused = false
  readonly members: Set<Member> = new Set()
  readonly #path: string | undefined
  readonly #pending: Map<number, Entry> = new Map()
  readonly #dead: Map<string, Dead> = new Map()
  readonly #types: Map<string, number> = new Map()
  #shared: Partition = newPartition('')
  #partitions: Map<string, Partition> = new Map()
  #provisional: boolean
  #nextDeadId = 1
  #serving = false
  #removed = false
  #saving: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** `saved`: content of its file, if it has been there. `path`: undefined keeps it in memory. */
  constructor(channel: GroupHome, declaration: GroupDeclaration, path: string | undefined, saved?: string) {
    this.channel = channel
    this.name = declaration.group
    this.ephemeral = declaration.ephemeral
    this.order = declaration.order
    this.#provisional = declaration.provisional === true
    this.#path = path
    if (saved === undefined) this.#begin(declaration.from)
    else this.#restore(JSON.parse(saved) as Saved)
    this.#rebuild()
  }

  /** Takes the order of a member or of its own service, where a sender had guessed it. */
  adopt({ order, provisional }: GroupDeclaration): void {
    if (!this.#provisional || provisional === true) return
    this.#provisional = false
    this.order = order
    this.#rebuild()
  }

  // ------------------------------------------------------------ messages

  append(message: StoredMessage): void {
    const entry = newEntry(message)
    this.#pending.set(message.position, entry)
    this.#partitionOf(entry).ready.push(entry)
    this.wake()
  }

  /** Ready messages of a member's partitions and the shared ones. */
  take(member: Member, countMax: number, bytesMax: number): FolderDelivery[] {
    const taken: FolderDelivery[] = []
    let bytes = 0
    const lacked = this.#lackedTypes(member)
    for (const partition of [...[...member.owned].map((name) => this.#partitions.get(name)), this.#shared]) {
      if (partition === undefined || partition.revoking) continue
      for (let at = 0; at < partition.ready.length && taken.length < countMax; ) {
        const entry = partition.ready[at] as Entry
        if (taken.length > 0 && bytes + entry.message.sizeBytes > bytesMax) break
        if (partition === this.#shared && lacked.has(entry.message.envelope.type)) {
          at++
          continue
        }
        partition.ready.splice(at, 1)
        bytes += entry.message.sizeBytes
        taken.push(this.#deliver(entry, member, partition.name))
      }
    }
    return taken
  }

  /** Done with: never again. */
  accept(delivery: FolderDelivery): void {
    this.#end(delivery, 'settled')
    this.#pending.delete(delivery.entry.message.position)
  }

  /** Comes again, before what is newer. */
  giveBack(delivery: FolderDelivery, state: 'settled' | 'lost' = 'settled'): void {
    this.#end(delivery, state)
    this.#makeReady(delivery.entry)
  }

  bury({ delivery, lane: _, reason, mode: __ }: DeadLetterRecord): void {
    const { entry } = delivery as FolderDelivery
    this.accept(delivery as FolderDelivery)
    const deadLetterId = String(this.#nextDeadId++).padStart(12, '0')
    this.#dead.set(deadLetterId, { position: entry.message.position, letter: { deadLetterId, reason, parkedBehind: 0, redrives: entry.redrives } })
  }

  deadLetters(query: DeadLetterQuery): DeadLetter[] {
    const all = [...this.#dead.values()].map(({ letter, position }) => ({ ...letter, envelope: (this.channel.messages[position] as StoredMessage).envelope }))
    return queried(all, (letter) => letter, query)
  }

  /** Takes dead letters out; with `again` they are delivered once more, in their old places. Resolves to how many. */
  exhume(query: DeadLetterQuery, again: boolean): number {
    const found = this.deadLetters(query)
    for (const { deadLetterId, redrives } of found) {
      const { position } = this.#dead.get(deadLetterId) as Dead
      this.#dead.delete(deadLetterId)
      if (!again) continue
      const entry = { ...newEntry(this.channel.messages[position] as StoredMessage), redrives: redrives + 1 }
      this.#pending.set(position, entry)
      this.#makeReady(entry)
    }
    this.wake()
    return found.length
  }

  /** Drops everything but dead letters; resolves to how many. */
  purge(): number {
    const dropped = this.#pending.size
    for (const member of this.members) this.#takeAll(member, true)
    this.#pending.clear()
    this.#rebuild()
    this.rebalance()
    return dropped
  }

  // ------------------------------------------------------------ members

  join(member: Member): void {
    this.members.add(member)
    if (this.paused) member.observer.paused(true)
    this.rebalance()
  }

  leave(member: Member): void {
    this.types()
    if (!this.members.delete(member)) return
    this.#takeAll(member, false)
    if (this.ephemeral && this.members.size === 0) this.channel.groupGone(this.name)
    this.rebalance()
  }

  setPaused(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    for (const member of this.members) member.observer.paused(paused)
    this.wake()
  }

  yieldPartition(member: Member, name: string, type: string): void {
    const partition = this.#partitions.get(name)
    if (partition?.owner !== member) return
    partition.wants = type
    this.rebalance()
  }

  types(): ReadonlyMap<string, number> {
    const nowMs = this.channel.clock.nowMs()
    for (const member of this.members) for (const type of member.types) this.#types.set(type, nowMs)
    for (const [type, seenMs] of this.#types) if (nowMs - seenMs > typeKeptMs) this.#types.delete(type)
    return new Map([...this.#types.keys()].map((type) => [type, [...this.members].filter((member) => member.types.has(type)).length]))
  }

  /** Gives out what is free, and asks back what another should own. */
  rebalance(): void {
    const members = [...this.members]
    if (this.#partitions.size !== this.#partitionsWanted()) {
      for (const partition of this.#partitions.values()) this.#revoke(partition)
      if ([...this.#partitions.values()].some(({ owner }) => owner !== undefined)) return
      this.#rebuild()
    }
    const mayOwn = mayOwnByTypes(members, (name) => this.#partitions.get(name)?.wants)
    const plan = assignPartitions([...this.#partitions.keys()], members, mayOwn)
    for (const partition of this.#partitions.values()) {
      const owner = plan.get(partition.name)
      if (owner === undefined || partition.owner === owner) continue
      if (partition.owner !== undefined) this.#revoke(partition)
      else {
        partition.owner = owner
        owner.owned.add(partition.name)
        owner.observer.assigned(partition.name, [])
      }
    }
    this.wake()
  }

  /** Serves all members, once for all that happens in this turn of the event loop. */
  wake(): void {
    if (this.#serving) return
    this.#serving = true
    queueMicrotask(() => {
      this.#serving = false
      for (const member of this.members) member.serve()
    })
  }

  status(): GroupStatus {
    const nowMs = this.channel.clock.nowMs()
    let oldestMs = nowMs
    for (const { message } of this.#pending.values()) oldestMs = Math.min(oldestMs, message.storedAtMs)
    return {
      channel: this.channel.name,
      group: this.name,
      backlog: this.#pending.size,
      oldestAgeMs: nowMs - oldestMs,
      inFlight: [...this.members].reduce((sum, { held }) => sum + held.size, 0),
      deadLetters: this.#dead.size,
      parkedLanes: 0,
      suspendedLanes: 0,
      consumers: this.members.size,
      paused: this.paused,
    }
  }

  // ------------------------------------------------------------ its file

  /** Resolves when the present state is on disk. One write at a time; who comes meanwhile shares the next. */
  save(): Promise<void> {
    if (this.#path === undefined || this.#removed) return Promise.resolve()
    this.#next ??= (this.#saving ?? Promise.resolve())
      .catch(() => {})
      .then(() => {
        this.#saving = this.#next
        this.#next = undefined
        return replaceFile(this.#path as string, JSON.stringify(this.#saved()))
      })
    return this.#next
  }

  /** Nothing is written any more; resolves when what is being written is. */
  async remove(): Promise<void> {
    this.#removed = true
    await Promise.allSettled([this.#saving, this.#next])
  }

  #saved(): Saved {
    const progress: Record<number, Saved['progress'][number]> = {}
    for (const [position, { attempt, deliveries, firstDeliveredAtMs, notBeforeMs, note, redrives }] of this.#pending)
      if (deliveries + attempt + redrives > 0)
        progress[position] = {
          attempt,
          deliveries,
          notBeforeMs,
          redrives,
          ...(firstDeliveredAtMs === undefined ? {} : { firstDeliveredAtMs }),
          ...(note === undefined ? {} : { note }),
        }
    return {
      order: this.order,
      provisional: this.#provisional,
      paused: this.paused,
      seen: this.channel.messages.length,
      pending: [...this.#pending.keys()],
      progress,
      dead: [...this.#dead.values()],
      nextDeadId: this.#nextDeadId,
      types: Object.fromEntries(this.#types),
    }
  }

  #begin(from: GroupDeclaration['from']): void {
    if (from === 'end') return
    for (const message of this.channel.messages) if (from === 'start' || message.storedAtMs >= from) this.#pending.set(message.position, newEntry(message))
  }

  #restore({ order, provisional, paused, seen, pending, progress, dead, nextDeadId, types }: Saved): void {
    this.order = order
    this.#provisional = provisional
    this.paused = paused
    this.#nextDeadId = nextDeadId
    for (const each of dead) this.#dead.set(each.letter.deadLetterId, each)
    for (const [type, seenMs] of Object.entries(types)) this.#types.set(type, seenMs)
    const later = this.channel.messages.slice(seen).map(({ position }) => position)
    for (const position of [...pending, ...later]) {
      const message = this.channel.messages[position]
      if (message !== undefined) this.#pending.set(position, { ...newEntry(message), ...progress[position] })
    }
  }

  // ------------------------------------------------------------ inside

  #deliver(entry: Entry, member: Member, partition: string): FolderDelivery {
    const { message, attempt, deliveries, firstDeliveredAtMs, notBeforeMs, suspect, note } = entry
    const { envelope, storedAtMs, sizeBytes } = message
    const delivery: FolderDelivery = {
      ...{ envelope, storedAtMs, sizeBytes, partition, attempt, deliveries, firstDeliveredAtMs, notBeforeMs, suspect, note },
      ...{ fromLot: false, entry, member, state: 'held' },
    }
    entry.holder = delivery
    entry.deliveries++
    entry.firstDeliveredAtMs ??= this.channel.clock.nowMs()
    member.held.add(delivery)
    return delivery
  }

  #end(delivery: FolderDelivery, state: 'settled' | 'lost'): void {
    delivery.state = state
    delivery.entry.holder = undefined
    delivery.member.letGo(delivery)
    this.wake()
  }

  #makeReady(entry: Entry): void {
    const { ready } = this.#partitionOf(entry)
    const at = ready.findIndex(({ message }) => message.position > entry.message.position)
    ready.splice(at < 0 ? ready.length : at, 0, entry)
  }

  /** Takes back all that a member holds and owns. */
  #takeAll(member: Member, tell: boolean): void {
    const unowned = [...member.held].filter(({ partition }) => partition === '')
    const names = [...member.owned]
    for (const delivery of [...member.held]) this.giveBack(delivery, 'lost')
    for (const name of names) this.#free(this.#partitions.get(name) as Partition)
    if (!tell) return
    for (const name of names) member.observer.lost(name)
    if (unowned.length > 0) member.observer.lostDeliveries(unowned)
  }

  #revoke(partition: Partition): void {
    const { owner } = partition
    if (owner === undefined || partition.revoking) return
    partition.revoking = true
    const drained = (): void => {
      if (partition.owner !== owner) return
      for (const delivery of [...owner.held]) if (delivery.partition === partition.name) this.giveBack(delivery, 'lost')
      this.#free(partition)
      this.rebalance()
    }
    owner.observer.revoking(partition.name).then(drained, drained)
  }

  #free(partition: Partition): void {
    partition.owner?.owned.delete(partition.name)
    partition.owner = undefined
    partition.revoking = false
  }

  #partitionsWanted(): number {
    return this.order === 'channel' ? 1 : this.channel.partitions
  }

  // Places everything that waits anew; nobody owns anything.
  #rebuild(): void {
    const count = this.#partitionsWanted()
    this.#partitions = new Map(Array.from({ length: count }, (_, index) => [partitionName(index, count), newPartition(partitionName(index, count))]))
    this.#shared = newPartition('')
    const waiting = [...this.#pending.values()].filter(({ holder }) => holder === undefined)
    for (const entry of waiting.sort((a, b) => a.message.position - b.message.position)) this.#partitionOf(entry).ready.push(entry)
  }

  #partitionOf({ message }: Entry): Partition {
    const place = placementKey(message.envelope, this.order)
    if (place === undefined) return this.#shared
    const count = this.#partitions.size
    return this.#partitions.get(partitionName(partitionIndex(place, count), count)) as Partition
  }

  // Types that other members handle and this one does not: their unkeyed messages are not for it.
  #lackedTypes(member: Member): ReadonlySet<string> {
    return new Set([...this.members].flatMap(({ types }) => [...types]).filter((type) => !member.types.has(type)))
  }
}

function newPartition(name: string): Partition {
  return { name, ready: [], owner: undefined, revoking: false, wants: undefined }
}

function newEntry(message: StoredMessage): Entry {
  const nothing = { holder: undefined, firstDeliveredAtMs: undefined, note: undefined }
  return { message, attempt: 0, deliveries: 0, notBeforeMs: 0, suspect: false, redrives: 0, ...nothing }
}
