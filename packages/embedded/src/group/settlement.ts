/**
 * Settling, by enqueue and flush: one transaction carries what was accepted since the last flush and claims what is to
 * be delivered next. Fenced per partition: what a partition's new owner must decide comes back as lost.
 */
import { type AttemptRecord, type DeadLetterRecord, type Delivery, isSluiceError, type SluiceError } from '@sluice/core/transport'
import type { WriteJob } from '../commit/write-job.ts'
import { deadLetterFromLog, deadLetterFromLot } from '../lot/dead-letter.ts'
import { LotDelivery } from '../lot/lot-delivery.ts'
import { removeLotEntry } from '../lot/lot-rows.ts'
import type { Database } from '../sqlite/connection.ts'
import { LogDelivery } from './log-delivery.ts'
import type { Member } from './member.ts'
import type { OwnedPartition } from './owned-partition.ts'
import { claimAhead, leaseLost, writeProgress } from './ownership.ts'

/** Settlements wait this long for others to share their transaction, ms. */
const flushDelayMs = 2
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
        delivery.state = 'settled'
        delivery.owner.lotReads.delete(delivery.row.id)
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
      while (at > 0 && (released[at - 1] as LogDelivery).position > delivery.position) at--
      released.splice(at, 0, delivery)
    }
    member.wake()
  }

  #reportLost(deliveries: readonly Delivery[], error: SluiceError): void {
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
          if (delivery instanceof LotDelivery && delivery.owner.state !== 'lost' && !fenced.includes(delivery.owner)) removeEntry(db, delivery)
        }
      },
      committed: () => {
        this.#queued = false
        this.#pending = this.#pending.slice(taken.length)
        for (const partition of written) afterWrite(partition)
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
        this.#waiting.push(...waiting)
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

  record(records: readonly AttemptRecord[]): Promise<void> {
    const member = this.#member
    return this.#atomically(
      records.map((record) => record.delivery),
      (db) => {
        for (const { delivery, attempt, notBeforeMs, firstDeliveredAtMs, note } of records) {
          if (delivery instanceof LogDelivery) {
            db.run(
              'INSERT OR REPLACE INTO attempt (group_id, position, attempt, deliveries, not_before_ms, first_delivered_at_ms, note) VALUES (?, ?, ?, ?, ?, ?, ?)',
              member.groupId,
              delivery.position,
              attempt,
              delivery.deliveries + 1,
              notBeforeMs,
              firstDeliveredAtMs,
              note ?? null,
            )
          } else if (delivery instanceof LotDelivery) {
            db.run(
              'UPDATE lot_entry SET attempt = ?, deliveries = ?, not_before_ms = ?, first_delivered_at_ms = ?, note = ? WHERE id = ?',
              attempt,
              delivery.deliveries + 1,
              notBeforeMs,
              firstDeliveredAtMs,
              note ?? null,
              delivery.row.id,
            )
          }
        }
      },
      () => {
        for (const { delivery, attempt, notBeforeMs, firstDeliveredAtMs, note } of records) {
          if (delivery instanceof LogDelivery) {
            delivery.record = {
              position: delivery.position,
              attempt,
              deliveries: delivery.deliveries + 1,
              not_before_ms: notBeforeMs,
              first_delivered_at_ms: firstDeliveredAtMs,
              note: note ?? null,
            }
          } else if (delivery instanceof LotDelivery) {
            delivery.attempt = attempt
            delivery.notBeforeMs = notBeforeMs
            delivery.firstDeliveredAtMs = firstDeliveredAtMs
            delivery.note = note
          }
        }
      },
    )
  }

  deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    const member = this.#member
    return this.settleWith(
      records.map((record) => record.delivery),
      (db) => {
        for (const record of records) {
          if (record.delivery instanceof LogDelivery) deadLetterFromLog(db, member, record, record.delivery)
          else if (record.delivery instanceof LotDelivery) deadLetterFromLot(db, member, record, record.delivery)
        }
      },
      () => {
        // Parked lanes: what was read of them and not settled is back in the lot.
        for (const { mode, lane, delivery } of records) {
          if (mode === 'park' && (delivery instanceof LogDelivery || delivery instanceof LotDelivery)) voidLane(delivery.owner, lane)
        }
      },
    )
  }

  /** Runs `work` and settles the deliveries in one transaction; all or nothing. */
  settleWith(deliveries: readonly Delivery[], work: (db: Database) => void, committed?: () => void): Promise<void> {
    const member = this.#member
    const log = deliveries.filter((delivery) => delivery instanceof LogDelivery)
    const lot = deliveries.filter((delivery) => delivery instanceof LotDelivery)
    const settled: LogDelivery[] = []
    const undo = (): void => {
      for (const delivery of settled.splice(0)) delivery.owner.unsettle(delivery)
    }
    return this.#atomically(
      deliveries,
      (db) => {
        undo()
        work(db)
        for (const delivery of lot) removeEntry(db, delivery)
        for (const delivery of log) {
          delivery.owner.settle(delivery)
          settled.push(delivery)
        }
      },
      () => {
        settled.length = 0
        for (const delivery of log) {
          member.inHand--
          member.inHandBytes -= delivery.sizeBytes
        }
        for (const delivery of lot) {
          delivery.state = 'settled'
          delivery.owner.lotReads.delete(delivery.row.id)
          delivery.owner.blocked = false
        }
        committed?.()
        member.wake()
      },
      undo,
    )
  }

  /** `work`, then the progress of the partitions concerned, under their fence; rejects with LEASE_LOST if one is gone. */
  #atomically(deliveries: readonly Delivery[], work: (db: Database) => void, committed: () => void, undo?: () => void): Promise<void> {
    const member = this.#member
    const held = deliveries.every(
      (delivery) => (delivery instanceof LogDelivery || delivery instanceof LotDelivery) && delivery.state === 'delivered' && delivery.owner.state !== 'lost',
    )
    if (!held) return Promise.reject(leaseLost())
    const partitions = new Set(deliveries.map((delivery) => (delivery as LogDelivery | LotDelivery).owner))
    return new Promise<void>((resolve, reject) => {
      let isCommitted = false
      member.bus.writer.enqueue({
        weight: deliveries.length,
        sync: 'now',
        announce: false,
        ordered: false,
        run: (db) => {
          work(db)
          for (const partition of partitions) if (partition.state === 'lost' || !writePartition(db, member, partition)) throw leaseLost()
        },
        committed: () => {
          isCommitted = true
          for (const partition of partitions) afterWrite(partition)
          committed()
        },
        synced: resolve,
        failed: (error) => {
          if (!isCommitted) undo?.()
          if (isSluiceError(error, 'LEASE_LOST')) for (const partition of partitions) this.#checkFence(partition)
          reject(error)
        },
      })
    })
  }

  #checkFence(partition: OwnedPartition): void {
    const { bus, groupId, memberId } = this.#member
    const row = bus.db.get<{ owner: number | null; epoch: number }>(
      'SELECT owner, epoch FROM partition WHERE group_id = ? AND modulus = ? AND residue = ?',
      groupId,
      partition.modulus,
      partition.residue,
    )
    if (row === undefined || row.owner !== memberId || row.epoch !== partition.epoch) this.#member.lose(partition)
  }

  /** Lot deliveries that were settled since the last flush and belong to this partition, for whoever gives it up. */
  takePendingLot(partition: OwnedPartition): LotDelivery[] {
    return this.#pending.filter((delivery): delivery is LotDelivery => delivery instanceof LotDelivery && delivery.owner === partition)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Takes a lot entry out; a lane that went with it is no news to the core. */
function removeEntry(db: Database, delivery: LotDelivery): void {
  if (removeLotEntry(db, delivery.row)) delivery.owner.noteLane(delivery.lane, undefined)
}

/** Progress and finished attempts of one partition; false: fenced. Not for the loop's state: that is `afterWrite`. */
export function writePartition(db: Database, member: Member, partition: OwnedPartition): boolean {
  if (!writeProgress(db, member.groupId, member.memberId, partition)) return false
  for (const position of partition.finishedAttempts) db.run('DELETE FROM attempt WHERE group_id = ? AND position = ?', member.groupId, position)
  return true
}

/** Once `writePartition` is committed. Nothing can have been settled in between: both run in one turn of the loop. */
export function afterWrite(partition: OwnedPartition): void {
  partition.written()
  partition.dirty = false
  for (const position of partition.finishedAttempts) partition.attempts.delete(position)
  partition.finishedAttempts = []
  partition.claimed = Math.max(partition.claimed, partition.readFrom + claimAhead)
  partition.writtenReadFrom = partition.readFrom
  partition.compact()
}

/** What was read of a lane and not settled is void: back in the lot. */
export function voidLane(partition: OwnedPartition, lane: string): void {
  for (const [id, delivery] of partition.lotReads) {
    if (delivery.lane !== lane) continue
    delivery.state = 'void'
    partition.lotReads.delete(id)
  }
}
