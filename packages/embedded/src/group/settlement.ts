/**
 * Settling, by enqueue and flush: one transaction carries what was accepted since the last flush and claims what is to
 * be delivered next. Fenced per partition: what a partition's new owner must decide comes back as lost.
 */
import type { Delivery, SluiceError } from '@sluice/core/transport'
import type { WriteJob } from '../commit/write-job.ts'
import { LotDelivery } from '../lot/lot-delivery.ts'
import { removeLotEntry } from '../lot/lot-rows.ts'
import { LogDelivery } from './log-delivery.ts'
import type { Member } from './member.ts'
import type { HeldDelivery, OwnedPartition } from './owned-partition.ts'
import { leaseLost } from './ownership.ts'
import { afterWrite, writePartition } from './partition-write.ts'

/** Settlements wait this long for others to share their transaction, ms. */
const flushDelayMs = 10
const retryDelayMs = 100

export class Settlement {
  readonly #member: Member
  // Settled in memory, not yet handed to a transaction.
  #pending: (LogDelivery | LotDelivery)[] = []
  #queued = false
  #timer: NodeJS.Timeout | undefined
  #waiting: { readonly committed: boolean; readonly resolve: () => void }[] = []

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
      if (delivery instanceof LogDelivery) {
        delivery.owner.settle(delivery)
        member.inHand--
        member.inHandBytes -= delivery.sizeBytes
      } else {
        // It stays among the lot's reads until its row is gone, so that no read finds it again.
        delivery.state = 'settled'
        delivery.owner.dirty = true
        delivery.owner.blocked = false
      }
      this.#pending.push(delivery)
    }
    if (late.length > 0) this.#reportLost(late, leaseLost())
    if (this.#pending.length >= Math.max(64, member.subscription.windowCount >> 2)) this.#enqueue()
    else this.#later(flushDelayMs)
    member.wake()
  }

  release(deliveries: readonly Delivery[]): void {
    const member = this.#member
    for (const delivery of deliveries) {
      if (!(delivery instanceof LogDelivery || delivery instanceof LotDelivery) || delivery.owner.state === 'lost' || delivery.state !== 'delivered') continue
      delivery.owner.blocked = false
      if (delivery instanceof LotDelivery) {
        delivery.state = 'void'
        delivery.owner.lotReads.delete(delivery.row.id)
        continue
      }
      delivery.state = 'released'
      member.inHand--
      member.inHandBytes -= delivery.sizeBytes
      const released = delivery.owner.released
      let at = released.length
      while (at > 0 && (released[at - 1] as HeldDelivery).position > delivery.position) at--
      released.splice(at, 0, delivery)
    }
    member.wake()
  }

  #reportLost(deliveries: readonly Delivery[], error: SluiceError): void {
    if (deliveries.length === 0) return
    queueMicrotask(() => {
      if (!this.#member.closing) this.#member.observer.settlementLost(deliveries, error)
    })
  }

  #later(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#enqueue()
    }, delayMs)
  }

  #enqueue(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#queued) return
    this.#queued = true
    this.#member.bus.writer.enqueue(this.#job())
  }

  /** Writes what partitions have to say now: settled, claimed, moved on. */
  #job(): WriteJob {
    const member = this.#member
    let taken: (LogDelivery | LotDelivery)[] = []
    let written: OwnedPartition[] = []
    let fenced: OwnedPartition[] = []
    const waiting = this.#waiting
    this.#waiting = []
    return {
      weight: 64,
      sync: waiting.some((one) => !one.committed) ? 'now' : 'soon',
      announce: false,
      ordered: false,
      run: (db) => {
        taken = this.#pending
        written = []
        fenced = []
        for (const partition of member.partitions.values()) {
          if (!partition.dirty && partition.deliveredEnd <= partition.claimed) continue
          if (writePartition(db, member, partition)) written.push(partition)
          else fenced.push(partition)
        }
        for (const delivery of taken) {
          if (delivery instanceof LotDelivery && delivery.owner.state !== 'lost' && !fenced.includes(delivery.owner)) removeLotEntry(db, delivery.row)
        }
      },
      committed: () => {
        this.#queued = false
        this.#pending = this.#pending.slice(taken.length)
        for (const partition of written) afterWrite(partition)
        for (const delivery of taken) if (delivery instanceof LotDelivery) delivery.owner.lotReads.delete(delivery.row.id)
        for (const partition of fenced) member.lose(partition)
        const late = taken.filter((delivery) => delivery.owner.state === 'lost')
        if (late.length > 0) this.#reportLost(late, leaseLost())
        for (const one of waiting) if (one.committed) one.resolve()
        if (this.#waiting.length > 0) this.#enqueue()
        else if (this.#pending.length > 0) this.#later(flushDelayMs)
      },
      synced: () => {
        for (const one of waiting) if (!one.committed) one.resolve()
      },
      failed: (error, state) => {
        if (state === 'unknown') {
          this.#reportLost(taken, error)
          for (const one of waiting) one.resolve()
          return
        }
        // Nothing was written (disk full, lock held for long): what is settled stays settled here and is written later.
        this.#queued = false
        // Who flushes must hear: not settled yet, so it may come again. It is written all the same when there is room.
        const flushing = waiting.filter((one) => !one.committed)
        if (flushing.length > 0) this.#reportLost([...this.#pending], error)
        for (const one of flushing) one.resolve()
        this.#waiting.push(...waiting.filter((one) => one.committed))
        if (!member.closing) this.#later(retryDelayMs)
        else for (const one of this.#waiting.splice(0)) one.resolve()
      },
    }
  }

  /** Resolves when everything settled so far is on the disk or reported lost. */
  flush(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#waiting.push({ committed: false, resolve })
      this.#enqueue()
    })
  }

  /** Resolves when what was delivered is recorded as possibly begun (committed; a power cut ends all processes anyway). */
  claim(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#waiting.push({ committed: true, resolve })
      this.#enqueue()
    })
  }

  /** Resolves when everything settled so far is committed, so that the file shows it. */
  settled(): Promise<void> {
    return this.#queued || this.#pending.length > 0 ? this.claim() : Promise.resolve()
  }

  /** Cursors that moved on without a settlement (foreign or skipped messages) are written now and then. */
  touch(): void {
    for (const partition of this.#member.partitions.values()) {
      if (partition.readFrom === partition.writtenReadFrom) continue
      partition.dirty = true
      this.#later(flushDelayMs)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#queued) for (const one of this.#waiting.splice(0)) one.resolve()
  }
}
