/**
 * Settling, by enqueue and write: one script call carries what was accepted since the last one, what is to be remembered or
 * moved with it, and claims what is delivered next. One call is under way at a time; one whose answer was lost with the
 * connection is sent again under its number, and done once. Fenced per partition.
 */
import { type Delivery, leaseLost, type SluiceError, type Timer } from '@sluice/core/transport'
import type { Position } from '../wire/position.ts'
import { LogDelivery, LotDelivery, type RedisDelivery } from './delivery.ts'
import type { Member } from './member.ts'
import type { HeldDelivery, OwnedPartition } from './partition.ts'
import { settleCall } from './settle-call.ts'
import { Write } from './write.ts'

/** Settlements wait this long for others to share their call, ms: each is a write to the server's disk, behind which its other clients wait. */
const flushDelayMs = 5
/** Calls of the core that share one write at most. */
const sharedMax = 64

/** Something that is one with settling its deliveries: all or nothing. */
interface Atomic {
  readonly deliveries: readonly RedisDelivery[]
  /** Whether the deliveries are settled by it. */
  readonly settles: boolean
  /** A partition that must be ours besides those of the deliveries. */
  readonly partition?: OwnedPartition
  build(write: Write): void
  done(): void
  readonly resolve: () => void
  readonly reject: (error: SluiceError) => void
}

export class Settlement {
  readonly #member: Member
  #pending: RedisDelivery[] = []
  #atomics: Atomic[] = []
  #waiting: (() => void)[] = []
  #giving: { readonly partition: OwnedPartition; readonly wants: string }[] = []
  #back: Position[] = []
  #leaving = false
  #writing = false
  #numbers = 0
  /** Number of the last write that the server answered; a server that does not know of it went back to an earlier state. */
  answered = 0
  #timer: Timer | undefined
  #closed = false

  constructor(member: Member) {
    this.#member = member
  }

  accept(deliveries: readonly Delivery[]): void {
    const member = this.#member
    const late: Delivery[] = []
    for (const delivery of deliveries) {
      if (!(delivery instanceof LogDelivery || delivery instanceof LotDelivery)) continue
      if (delivery.owner.state === 'lost' || delivery.state !== 'delivered') {
        if (delivery.state !== 'settled') late.push(delivery)
        continue
      }
      this.#settle(delivery)
      this.#pending.push(delivery)
    }
    if (late.length > 0) this.reportLost(late, leaseLost())
    if (this.#pending.length >= Math.max(64, member.subscription.windowCount >> 2)) this.#start()
    else if (this.#pending.length > 0) this.#later(flushDelayMs)
    member.wake()
  }

  release(deliveries: readonly Delivery[]): void {
    const member = this.#member
    for (const delivery of deliveries) {
      if (!(delivery instanceof LogDelivery || delivery instanceof LotDelivery) || delivery.owner.state === 'lost' || delivery.state !== 'delivered') continue
      delivery.owner.blocked = false
      if (delivery instanceof LotDelivery) {
        delivery.state = 'void'
        delivery.owner.lotReads.delete(delivery)
        this.putBack(delivery.position)
        continue
      }
      delivery.state = 'released'
      member.inHand--
      member.inHandBytes -= delivery.sizeBytes
      const { released } = delivery.owner
      let at = released.length
      while (at > 0 && (released[at - 1] as HeldDelivery).position > delivery.position) at--
      released.splice(at, 0, delivery)
    }
    member.wake()
  }

  /** A message of the lot is not in hand any more: said with the next write, so that a later death is not charged to it. */
  putBack(position: Position): void {
    this.#back.push(position)
    this.#later(flushDelayMs)
  }

  /** Resolves when everything settled so far is written or reported lost. */
  flush(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
      this.#start()
    })
  }

  /** Cursors that moved on without a settlement are written now and then. */
  touch(): void {
    for (const partition of this.#member.partitions.values()) {
      if (partition.readFrom === partition.writtenReadFrom) continue
      partition.dirty = true
      this.#later(flushDelayMs)
    }
  }

  /** All or nothing with the settlement of its deliveries; rejects with LEASE_LOST. */
  atomically(work: Omit<Atomic, 'resolve' | 'reject'>): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.#closed) {
        reject(leaseLost())
        return
      }
      this.#atomics.push({ ...work, resolve, reject })
      this.#start()
    })
  }

  /** Gives partitions up, and with `leave` the membership. Resolves when that is written, or cannot be. */
  giveUp(partitions: readonly OwnedPartition[], wants: (partition: OwnedPartition) => string, leave: boolean): Promise<void> {
    for (const partition of partitions) this.#giving.push({ partition, wants: wants(partition) })
    this.#leaving ||= leave
    return this.flush()
  }

  reportLost(deliveries: readonly Delivery[], error: SluiceError): void {
    if (deliveries.length === 0) return
    queueMicrotask(() => {
      if (!this.#member.closing) this.#member.observer.settlementLost(deliveries, error)
    })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const resolve of this.#waiting.splice(0)) resolve()
    for (const atomic of this.#atomics.splice(0)) atomic.reject(leaseLost())
  }

  #settle(delivery: RedisDelivery): void {
    const member = this.#member
    if (delivery instanceof LogDelivery) {
      delivery.owner.settle(delivery)
      member.inHand--
      member.inHandBytes -= delivery.sizeBytes
      return
    }
    // It stays among the lot's reads until it is out of the lot: it must not be read again meanwhile.
    delivery.state = 'settled'
    delivery.owner.blocked = false
  }

  #unsettle(delivery: RedisDelivery): void {
    if (delivery.owner.state === 'lost') return
    if (delivery instanceof LogDelivery) {
      delivery.owner.unsettle(delivery)
      this.#member.inHand++
      this.#member.inHandBytes += delivery.sizeBytes
    } else delivery.state = 'delivered'
  }

  #later(delayMs: number): void {
    if (this.#closed) return
    this.#timer ??= this.#member.bus.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      this.#start()
    })
  }

  #start(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#writing || this.#closed) return
    this.#writing = true
    void this.#run()
  }

  async #run(): Promise<void> {
    do {
      const waiting = this.#waiting.splice(0)
      const atomics = this.#ready()
      const pending = this.#keepOrReport(this.#pending.splice(0))
      const write = this.#build(pending, atomics)
      if (write !== undefined) await this.#write(write, pending, atomics)
      for (const resolve of waiting) resolve()
      this.#member.wake()
    } while (!this.#closed && (this.#waiting.length > 0 || this.#atomics.length > 0))
    this.#writing = false
    if (this.#pending.length > 0 || this.#needsClaim()) this.#later(flushDelayMs)
  }

  #needsClaim(): boolean {
    for (const partition of this.#member.partitions.values()) if (partition.unclaimed) return true
    return false
  }

  /** The next calls that share a write; those whose deliveries are lost are told. */
  #ready(): Atomic[] {
    const ready: Atomic[] = []
    const seen = new Set<RedisDelivery>()
    while (ready.length < sharedMax) {
      const atomic = this.#atomics[0]
      if (atomic === undefined) break
      // The same delivery twice: one after the other.
      if (atomic.deliveries.some((delivery) => seen.has(delivery))) break
      this.#atomics.shift()
      if (atomic.partition?.state === 'lost' || atomic.deliveries.some((delivery) => delivery.owner.state === 'lost' || delivery.state !== 'delivered')) {
        atomic.reject(leaseLost())
        continue
      }
      for (const delivery of atomic.deliveries) seen.add(delivery)
      ready.push(atomic)
    }
    return ready
  }

  #build(pending: readonly RedisDelivery[], atomics: readonly Atomic[]): Write | undefined {
    const member = this.#member
    const write = new Write(++this.#numbers)
    for (const atomic of atomics) {
      if (atomic.partition !== undefined) write.need.add(atomic.partition.name)
      for (const delivery of atomic.deliveries) {
        write.need.add(delivery.owner.name)
        if (!atomic.settles) continue
        this.#settle(delivery)
        if (delivery instanceof LotDelivery) write.out.push(delivery)
        else write.log.push(delivery)
      }
      atomic.build(write)
    }
    for (const delivery of pending) {
      if (delivery instanceof LotDelivery) write.out.push(delivery)
      else write.log.push(delivery)
    }
    const giving = this.#giving.splice(0)
    for (const partition of member.partitions.values()) {
      if (partition.state === 'lost') continue
      const given = giving.find((one) => one.partition === partition)
      const named = write.need.has(partition.name) || write.out.some((delivery) => delivery.owner === partition)
      if (given === undefined && !partition.dirty && !partition.unclaimed && !named) continue
      write.partition(partition, true, given)
    }
    if (giving.length > 0) write.ring = true
    write.leave = this.#leaving
    write.back.push(...this.#back.splice(0))
    return write.written.length === 0 && atomics.length === 0 && write.back.length === 0 && !write.leave ? undefined : write
  }

  async #write(write: Write, pending: readonly RedisDelivery[], atomics: readonly Atomic[]): Promise<void> {
    const member = this.#member
    const words = write.words(member.subscription.group, member.id, this.answered)
    const answer = await settleCall(member, words, () => this.#closed)
    if (answer === undefined) {
      // Closing without a server: nobody knows, so all of it may come again.
      this.reportLost(pending, leaseLost())
      for (const atomic of atomics) atomic.reject(leaseLost())
      return
    }
    if (answer.kind === 'ok' || answer.kind === 'again') this.answered = write.n
    const fenced = new Set(answer.fenced)
    if (answer.kind === 'fenced') {
      for (const atomic of atomics) if (atomic.settles) for (const delivery of atomic.deliveries) this.#unsettle(delivery)
      write.takeBack()
      this.#loseAll(write, fenced)
      this.#pending.unshift(...this.#keepOrReport(pending))
      this.#atomics.unshift(...atomics)
      return
    }
    for (const one of write.written) if (!fenced.has(one.partition.name)) write.note(one)
    this.#loseAll(write, fenced)
    for (const delivery of write.out) delivery.owner.lotReads.delete(delivery)
    for (const lane of answer.gone) for (const partition of member.partitions.values()) partition.noteLane(lane, undefined)
    this.reportLost(
      pending.filter(({ owner }) => fenced.has(owner.name)),
      leaseLost(),
    )
    for (const atomic of atomics) {
      atomic.done()
      atomic.resolve()
    }
  }

  /** Those that can still be settled; the others, whose partition was lost meanwhile, are reported. */
  #keepOrReport(pending: readonly RedisDelivery[]): RedisDelivery[] {
    const lost = pending.filter(({ owner }) => owner.state === 'lost')
    this.reportLost(lost, leaseLost())
    return pending.filter(({ owner }) => owner.state !== 'lost')
  }

  // By the partition that was written: one of the same name may have been taken anew meanwhile.
  #loseAll(write: Write, names: ReadonlySet<string>): void {
    for (const { partition } of write.written) if (names.has(partition.name)) this.#member.lose(partition)
  }
}
