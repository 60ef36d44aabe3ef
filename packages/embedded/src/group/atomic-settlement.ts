/**
 * Settling that must be one with something else: attempts, dead letters, moves to the parking lot. Each call is one job
 * of the writer, all or nothing, and resolves when it is on the disk. A delivery whose partition is not ours any more
 * makes it LEASE_LOST, and nothing is done.
 */
import { type AttemptRecord, type DeadLetterRecord, type Delivery, isSluiceError, leaseLost } from '@sluice/core/transport'
import { deadLetterFromLog, deadLetterFromLot } from '../lot/dead-letter.ts'
import { LotDelivery } from '../lot/lot-delivery.ts'
import { removeLotEntry } from '../lot/lot-rows.ts'
import type { Database } from '../sqlite/connection.ts'
import { LogDelivery } from './log-delivery.ts'
import type { Member } from './member.ts'
import type { OwnedPartition } from './owned-partition.ts'
import { afterWrite, voidLane, writePartition } from './partition-write.ts'

/** How long after a failed sync the next one is tried, ms. */
const syncAgainMs = 100

export class AtomicSettlement {
  readonly #member: Member

  constructor(member: Member) {
    this.#member = member
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
            delivery.tried()
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
        for (const delivery of lot) removeLotEntry(db, delivery.row)
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
        // Or another job, which is run alone next, would write the progress of a settlement that is not stored.
        ...(undo === undefined ? {} : { undone: undo }),
        committed: () => {
          isCommitted = true
          for (const partition of partitions) afterWrite(partition)
          committed()
        },
        synced: resolve,
        failed: (error) => {
          if (isCommitted) {
            this.#syncLate(resolve, reject)
            return
          }
          undo?.()
          if (isSluiceError(error, 'LEASE_LOST')) for (const partition of partitions) this.#checkFence(partition)
          reject(error)
        },
      })
    })
  }

  // Its sync failed. It is committed all the same, others see it, and the caller could not do it a second time: it waits
  // until the disk takes it, by a checkpoint and the next sync.
  #syncLate(resolve: () => void, reject: (error: unknown) => void): void {
    const { bus, closing } = this.#member
    bus.writer
      .write(() => {})
      .then(resolve, (error: unknown) => {
        if (closing) reject(error)
        else bus.clock.setTimer(syncAgainMs, () => this.#syncLate(resolve, reject))
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
}
