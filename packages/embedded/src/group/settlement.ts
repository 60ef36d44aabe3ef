/**
 * Settling, by enqueue and flush: one transaction carries what was accepted since the last flush and claims what is to
 * be delivered next. Fenced per partition: what a partition's new owner must decide comes back as lost.
 */
import { type Delivery, leaseLost, type SluiceError } from '@sluice/core/transport'
import type { WriteJob } from '../commit/write-job.ts'
import { LotDelivery } from '../lot/lot-delivery.ts'
import { removeLotEntry } from '../lot/lot-rows.ts'
import { LogDelivery } from './log-delivery.ts'
import type { Member } from './member.ts'
import type { HeldDelivery, OwnedPartition } from './owned-partition.ts'
import { afterWrite, writePartition } from './partition-write.ts'

/** After a transaction that could not be written, ms. */
const retryDelayMs = 100

/** `committed`: a commit is enough for it; else it waits for the disk. */
interface Waiter {
  readonly committed: boolean
  readonly resolve: () => void
}

export class Settlement {
  readonly #member: Member
  // Settled in memory, not yet handed to a transaction.
  #pending: (LogDelivery | LotDelivery)[] = []
  #queued = false
  #retry: NodeJS.Timeout | undefined
  #waiting: Waiter[] = []

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
        delivery.forgetEnvelope()
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
    this.#enqueue(this.#pending.length >= Math.max(64, member.subscription.windowCount >> 2))
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

  /** `now`: somebody waits, or much is settled; else it shares a transaction that comes soon. */
  #enqueue(now: boolean): void {
    const { writer } = this.#member.bus
    if (this.#queued) {
      if (now) writer.hurry()
      return
    }
    if (this.#retry !== undefined && !now) return
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#queued = true
    if (now) writer.enqueue(this.#job())
    else writer.enqueueLazily(this.#job())
  }

  /** Writes what partitions have to say now: settled, claimed, moved on. */
  #job(): WriteJob {
    const member = this.#member
    let taken: (LogDelivery | LotDelivery)[] = []
    let written: OwnedPartition[] = []
    let fenced: OwnedPartition[] = []
    const waiting: Waiter[] = []
    return {
      weight: 64,
      get sync() {
        return waiting.some((one) => !one.committed) ? 'now' : 'soon'
      },
      announce: false,
      ordered: false,
      run: (db) => {
        taken = this.#pending
        waiting.push(...this.#waiting.splice(0))
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
        if (this.#waiting.length > 0 || this.#pending.length > 0) this.#enqueue(this.#waiting.length > 0)
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
        waiting.push(...this.#waiting.splice(0))
        // Who flushes must hear: not settled yet, so it may come again. It is written all the same when there is room.
        const flushing = waiting.filter((one) => !one.committed)
        if (flushing.length > 0) this.#reportLost([...this.#pending], error)
        for (const one of flushing) one.resolve()
        this.#waiting.push(...waiting.filter((one) => one.committed))
        if (!member.closing) this.#tryAgain()
        else for (const one of this.#waiting.splice(0)) one.resolve()
      },
    }
  }

  #tryAgain(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#enqueue(true)
    }, retryDelayMs)
  }

  /** Resolves when everything settled so far is on the disk or reported lost. */
  flush(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#waiting.push({ committed: false, resolve })
      this.#enqueue(true)
    })
  }

  /** Resolves when what was delivered is recorded as possibly begun (committed; a power cut ends all processes anyway). */
  claim(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#waiting.push({ committed: true, resolve })
      this.#enqueue(true)
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
      this.#enqueue(false)
    }
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    if (!this.#queued) for (const one of this.#waiting.splice(0)) one.resolve()
  }
}
