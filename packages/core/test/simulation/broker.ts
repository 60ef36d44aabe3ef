/**
 * A model of a transport as the SPI describes it, for one (channel, group): a log in partitions, deliveries held by
 * members, a parking lot, dead letters. It applies what members ask for when the simulator says so, and keeps the books
 * by which a run is judged.
 */

import type { Envelope } from '../../src/message/index.ts'
import type { AttemptRecord, DeadLetterRecord, Delivery, LotLane } from '../../src/transport/index.ts'
import type { Copy, SimDelivery, SimMember } from './model.ts'
import type { World } from './world.ts'

interface Lot {
  readonly name: string
  readonly partition: string
  state: 'suspended' | 'parked'
  dueAtMs: number
  readonly copies: Copy[]
}

interface Owned {
  readonly name: string
  owner: SimMember | undefined
  /** Grows with each assignment: what was asked for under an older one is refused. */
  epoch: number
  /** A hand-over is under way. */
  moving: boolean
}

/** What the broker is like in this run. */
export interface BrokerOptions {
  readonly partitions: number
  /** Unkeyed messages belong to no partition. */
  readonly sharedUnkeyed: boolean
  readonly order: 'key' | 'channel' | 'none'
  readonly windowCount: number
}

/** Refused: not held any more, or not owned any more. */
export class Refused extends Error {}

/** See the header of this file. */
export class Broker<M extends SimMember = SimMember> {
  readonly copies: Copy[] = []
  readonly lots: Map<string, Lot> = new Map()
  readonly dead: { readonly copy: Copy; readonly lane: string; readonly mode: 'park' | 'continue' }[] = []
  readonly partitions: Map<string, Owned> = new Map()
  readonly members: M[] = []
  readonly #world: World
  readonly #options: BrokerOptions
  readonly #held: Map<Copy, SimDelivery> = new Map()
  #pumping = false

  constructor(world: World, options: BrokerOptions) {
    this.#world = world
    this.#options = options
    for (let i = 0; i < options.partitions; i++) this.partitions.set(`p${i}`, { name: `p${i}`, owner: undefined, epoch: 0, moving: false })
  }

  get live(): M[] {
    return this.members.filter((member) => !member.gone)
  }

  /** Where a copy's lot lane lives. */
  home(copy: Copy): string {
    return copy.partition === '' ? `p${Number(copy.envelope.id.slice(1)) % this.#options.partitions}` : copy.partition
  }

  append(key: string | undefined, id: string, poison: boolean): void {
    const index = this.copies.length
    const place = this.#options.order === 'channel' ? 0 : key === undefined || this.#options.order === 'none' ? Number(id.slice(1)) : key.charCodeAt(0)
    const shared = this.#options.sharedUnkeyed && this.#options.order !== 'channel' && (key === undefined || this.#options.order === 'none')
    const envelope: Envelope = { id, type: 't', source: 's', time: '', body: '', ...(key === undefined ? {} : { partitionkey: key }) }
    this.copies.push({
      index,
      key,
      partition: shared ? '' : `p${place % this.#options.partitions}`,
      envelope,
      poison,
      place: 'log',
      holder: undefined,
      attempt: 0,
      notBeforeMs: 0,
      firstDeliveredAtMs: undefined,
      deliveries: 0,
      suspect: false,
      begins: 0,
      excused: 0,
      successes: 0,
      hasOutcome: false,
      redrives: 0,
      waitUntilMs: 0,
    })
    this.pump()
  }

  // ------------------------------------------------------------------ deliveries

  /** Hands out what can be handed out, soon. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#world.after(this.#world.between(0, 3), () => {
      this.#pumping = false
      for (const member of this.live) this.#serve(member)
    })
  }

  #serve(member: SimMember): void {
    // One `receive` at a time.
    if (member.expected > 0) return
    let room = member.room
    const batch: SimDelivery[] = []
    for (const copy of this.copies) {
      if (room <= 0) break
      if (copy.place !== 'log' || copy.holder !== undefined) continue
      if (copy.partition === '') {
        if (this.#world.chance(0.5)) continue
      } else {
        const owned = this.partitions.get(copy.partition) as Owned
        if (owned.owner !== member || owned.moving) continue
      }
      batch.push(this.#deliver(copy, member, false))
      room--
    }
    if (batch.length > 0) this.#world.log(() => `deliver to ${member.name}: ${batch.map((delivery) => delivery.copy.index).join(' ')}`)
    if (batch.length > 0) member.expect(batch)
    if (this.copies.some((copy) => copy.place === 'log' && copy.partition === '' && copy.holder === undefined) && room > 0) this.pump()
  }

  #deliver(copy: Copy, member: SimMember, fromLot: boolean): SimDelivery {
    const delivery: SimDelivery = {
      copy,
      member,
      state: 'held',
      begun: false,
      envelope: copy.envelope,
      partition: fromLot ? this.home(copy) : copy.partition,
      attempt: copy.attempt,
      deliveries: copy.deliveries,
      firstDeliveredAtMs: copy.firstDeliveredAtMs,
      notBeforeMs: copy.notBeforeMs,
      suspect: copy.suspect,
      storedAtMs: 0,
      sizeBytes: 10,
      fromLot,
      note: undefined,
    }
    copy.firstDeliveredAtMs ??= this.#world.wallMs
    copy.deliveries++
    copy.holder = member
    this.#held.set(copy, delivery)
    return delivery
  }

  /** Takes deliveries back; `died`: whoever held them may have been at work. */
  #takeBack(matches: (delivery: SimDelivery) => boolean, died: boolean): SimDelivery[] {
    const taken = [...this.#held.values()].filter(matches)
    for (const delivery of taken) {
      delivery.state = 'lost'
      delivery.copy.holder = undefined
      delivery.copy.excused++
      this.#forgetWait(delivery.copy)
      if (died) delivery.copy.suspect = true
      this.#held.delete(delivery.copy)
    }
    return taken
  }

  // ------------------------------------------------------------------ what members ask for, all or nothing

  accept(deliveries: readonly SimDelivery[]): void {
    const late: SimDelivery[] = []
    for (const delivery of deliveries) {
      if (delivery.state !== 'held') {
        delivery.copy.excused++
        late.push(delivery)
        continue
      }
      const { copy } = delivery
      if (copy.successes === 0) this.#world.violation(`message ${copy.index} was accepted, but no handler accepted it`)
      this.#settle(delivery)
      copy.place = 'done'
      this.#leaveLot(copy)
    }
    const member = late[0]?.member
    if (member !== undefined) member.after(0, () => member.settlementLost(late))
    this.pump()
  }

  /** Says that these acceptances failed: the messages come again. */
  loseSettlement(deliveries: readonly SimDelivery[]): void {
    const held = deliveries.filter((delivery) => delivery.state === 'held')
    for (const delivery of held) {
      delivery.state = 'lost'
      delivery.copy.holder = undefined
      delivery.copy.excused++
      this.#held.delete(delivery.copy)
    }
    const member = held[0]?.member
    if (member !== undefined) member.after(0, () => member.settlementLost(held))
    this.pump()
  }

  release(deliveries: readonly SimDelivery[]): void {
    for (const delivery of deliveries) {
      if (delivery.state !== 'held') continue
      this.#world.log(() => `released ${delivery.copy.index}`)
      delivery.copy.excused++
      this.#forgetWait(delivery.copy)
      this.#settle(delivery)
    }
    this.pump()
  }

  record(records: readonly AttemptRecord[]): void {
    this.#mustHold(records.map((record) => record.delivery))
    for (const record of records) this.#remember(record)
  }

  deadLetter(record: DeadLetterRecord): void {
    const [delivery] = this.#mustHold([record.delivery])
    if (delivery === undefined) return
    const { copy } = delivery
    this.#settle(delivery)
    this.#leaveLot(copy)
    copy.place = 'dead'
    copy.hasOutcome = true
    this.#world.log(() => `dead letter ${copy.index} of ${record.lane}: ${record.mode}`)
    this.dead.push({ copy, lane: record.lane, mode: record.mode })
    if (record.mode === 'park') {
      const lot = this.#lot(record.lane, this.home(copy), 'parked', 0)
      lot.state = 'parked'
      this.#voidReads(lot)
    }
    this.pump()
  }

  move(
    lane: string,
    deliveries: readonly Delivery[],
    state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first: AttemptRecord | undefined,
  ): void {
    const held = this.#mustHold(deliveries)
    this.#world.log(() => `moved to ${lane} (${state.state}): ${held.map((delivery) => delivery.copy.index).join(' ')}`)
    if (first !== undefined) this.#remember(first)
    const copy = held[0]?.copy
    if (copy === undefined) return
    const lot = this.#lot(lane, this.home(copy), state.state, state.dueAtMs)
    for (const delivery of held) {
      if (delivery.fromLot) this.#world.violation(`message ${delivery.copy.index} of the lot was moved to the lot`)
      this.#settle(delivery)
      delivery.copy.place = 'lot'
      lot.copies.push(delivery.copy)
    }
    if (copy.partition === '') this.#tell(lot)
    this.pump()
  }

  read(member: SimMember, partition: string, epoch: number, lane: string, countMax: number): SimDelivery[] | undefined {
    this.#mustOwn(member, partition, epoch)
    const lot = this.lots.get(lane)
    if (lot === undefined) return []
    if (lot.state === 'parked') return undefined
    const read: SimDelivery[] = []
    for (const copy of lot.copies) {
      if (read.length >= countMax) break
      if (copy.holder === undefined) read.push(this.#deliver(copy, member, true))
    }
    this.#world.log(
      () => `read of ${lane}: ${read.map((delivery) => delivery.copy.index).join(' ')}; it holds ${lot.copies.map((copy) => copy.index).join(' ')}`,
    )
    return read
  }

  reschedule(member: SimMember, partition: string, epoch: number, lane: string, dueAtMs: number, head: AttemptRecord): void {
    this.#mustOwn(member, partition, epoch)
    const lot = this.lots.get(lane)
    if (lot === undefined) throw new Refused()
    this.#mustHold([head.delivery])
    this.#remember(head)
    lot.dueAtMs = dueAtMs
    this.#voidReads(lot)
  }

  // ------------------------------------------------------------------ administration

  /** Puts a dead letter back at the head of its lane. */
  redrive(index: number): void {
    const [letter] = this.dead.splice(index, 1)
    if (letter === undefined) return
    const { copy } = letter
    this.#world.log(() => `redrive ${copy.index} of ${letter.lane}`)
    copy.redrives++
    copy.attempt = 0
    copy.notBeforeMs = 0
    copy.suspect = false
    copy.waitUntilMs = 0
    copy.place = 'lot'
    const lot = this.#lot(letter.lane, this.home(copy), 'suspended', 0)
    lot.state = 'suspended'
    lot.dueAtMs = 0
    lot.copies.unshift(copy)
    this.#tell(lot)
  }

  discard(index: number): void {
    const [letter] = this.dead.splice(index, 1)
    if (letter === undefined) return
    letter.copy.place = 'done'
    this.#world.log(() => `discard ${letter.copy.index} of ${letter.lane}`)
    const lot = this.lots.get(letter.lane)
    if (lot === undefined || lot.state !== 'parked' || letter.mode !== 'park') return
    lot.state = 'suspended'
    lot.dueAtMs = 0
    this.#tell(lot)
    if (lot.copies.length === 0) this.lots.delete(lot.name)
  }

  /** Whether a lane is parked behind a dead letter right now. */
  isParked(lane: string): boolean {
    return this.lots.get(lane)?.state === 'parked'
  }

  // ------------------------------------------------------------------ ownership

  assign(partition: Owned, member: SimMember): void {
    partition.owner = member
    partition.epoch++
    partition.moving = false
    this.#world.log(() => `assign ${partition.name} to ${member.name}`)
    member.assigned(partition.name, partition.epoch, this.#lotsOf(partition.name))
    this.pump()
  }

  /** Gives free partitions to whoever lives. */
  assignFree(): void {
    for (const partition of this.partitions.values()) {
      const member = this.#world.pick(this.live)
      if (partition.owner === undefined && !partition.moving && member !== undefined) this.assign(partition, member)
    }
  }

  /** Asks an owner to hand a partition over; drained first. */
  revoke(partition: Owned): void {
    const owner = partition.owner
    if (owner === undefined || partition.moving) return
    partition.moving = true
    this.#world.log(() => `revoke ${partition.name} from ${owner.name}`)
    const { epoch } = partition
    owner.revoking(partition.name, () => {
      if (partition.owner !== owner || partition.epoch !== epoch) return
      this.#takeBack((delivery) => delivery.member === owner && delivery.partition === partition.name, false)
      partition.owner = undefined
      partition.moving = false
      this.assignFree()
    })
  }

  /** Takes a partition away from one who may not even know. */
  fence(partition: Owned): void {
    const owner = partition.owner
    if (owner === undefined) return
    this.#world.log(() => `fence ${partition.name} of ${owner.name}`)
    this.#takeBack((delivery) => delivery.member === owner && delivery.partition === partition.name, true)
    partition.owner = undefined
    partition.moving = false
    owner.lost(partition.name)
    this.assignFree()
  }

  /** Takes some deliveries away although the partition stays. */
  loseDeliveries(member: SimMember): void {
    const chosen = new Set([...this.#held.values()].filter((delivery) => delivery.member === member && this.#world.chance(0.1)))
    // A lost one takes the later ones of its key with it (SPI: lostDeliveries).
    const takes = (delivery: SimDelivery): boolean =>
      delivery.member === member &&
      (chosen.has(delivery) || [...chosen].some((lost) => this.#sameLane(lost.copy, delivery.copy) && lost.copy.index < delivery.copy.index))
    const lost = this.#takeBack(takes, true)
    if (lost.length === 0) return
    this.#world.log(() => `${member.name} loses deliveries ${lost.map((delivery) => delivery.copy.index).join(' ')}`)
    member.lostDeliveries(lost)
    this.pump()
  }

  /** A member is gone: what it held goes back. */
  forget(member: SimMember, died: boolean): void {
    this.#takeBack((delivery) => delivery.member === member, died)
    for (const partition of this.partitions.values()) {
      if (partition.owner !== member) continue
      partition.owner = undefined
      partition.moving = false
    }
    this.assignFree()
    this.pump()
  }

  // ------------------------------------------------------------------ inside

  #mustHold(deliveries: readonly Delivery[]): SimDelivery[] {
    const held = deliveries as readonly SimDelivery[]
    if (held.some((delivery) => delivery.state !== 'held')) throw new Refused()
    return [...held]
  }

  #sameLane(a: Copy, b: Copy): boolean {
    return this.#options.order === 'channel' || (this.#options.order === 'key' && a.key !== undefined && a.key === b.key)
  }

  #mustOwn(member: SimMember, partition: string, epoch: number): void {
    const owned = this.partitions.get(partition)
    if (owned?.owner !== member || owned.epoch !== epoch) throw new Refused()
  }

  #remember(record: AttemptRecord): void {
    const { copy } = record.delivery as SimDelivery
    copy.attempt = record.attempt
    copy.notBeforeMs = record.notBeforeMs
    copy.firstDeliveredAtMs = record.firstDeliveredAtMs
    copy.suspect = false
  }

  #settle(delivery: SimDelivery): void {
    delivery.state = 'settled'
    delivery.copy.holder = undefined
    this.#held.delete(delivery.copy)
  }

  #leaveLot(copy: Copy): void {
    for (const lot of this.lots.values()) {
      const index = lot.copies.indexOf(copy)
      if (index < 0) continue
      lot.copies.splice(index, 1)
      if (lot.copies.length === 0 && lot.state === 'suspended') this.lots.delete(lot.name)
    }
  }

  #lot(name: string, partition: string, state: 'suspended' | 'parked', dueAtMs: number): Lot {
    const known = this.lots.get(name)
    if (known !== undefined) return known
    const lot: Lot = { name, partition, state, dueAtMs, copies: [] }
    this.lots.set(name, lot)
    return lot
  }

  #voidReads(lot: Lot): void {
    for (const copy of lot.copies) {
      const delivery = this.#held.get(copy)
      if (delivery === undefined) continue
      copy.excused++
      this.#forgetWait(copy)
      this.#settle(delivery)
    }
  }

  /** Back-off that was recorded outlives its holder; what was not is forgotten. */
  #forgetWait(copy: Copy): void {
    copy.waitUntilMs = Math.min(copy.waitUntilMs, Math.max(0, copy.notBeforeMs - this.#world.wallOffsetMs))
  }

  #lotsOf(partition: string): LotLane[] {
    return [...this.lots.values()].filter((lot) => lot.partition === partition).map((lot) => this.#view(lot))
  }

  #view(lot: Lot): LotLane {
    return { lane: lot.name, partition: lot.partition, state: lot.state, dueAtMs: lot.dueAtMs, count: lot.copies.length }
  }

  #tell(lot: Lot): void {
    const owner = this.partitions.get(lot.partition)?.owner
    const view = this.#view(lot)
    if (owner !== undefined) owner.lotChanged(lot.partition, [view])
  }
}
