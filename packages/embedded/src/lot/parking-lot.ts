import { type AttemptRecord, type Delivery, leaseLost, type ParkingLot } from '@sluice/core/transport'
import type { AtomicSettlement } from '../group/atomic-settlement.ts'
import { LogDelivery } from '../group/log-delivery.ts'
import type { Member } from '../group/member.ts'
import type { OwnedPartition } from '../group/owned-partition.ts'
import { voidLane } from '../group/partition-write.ts'
import { decodeEnvelope } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import { LotDelivery, type LotEntryRow } from './lot-delivery.ts'
import {
  appendToLane,
  entriesOf,
  entriesOfLanes,
  entryPlace,
  intact,
  intactEntry,
  type LaneRow,
  laneByName,
  lanesByName,
  makeLane,
  removeEmptyLane,
} from './lot-rows.ts'

/** A lane with at most so many messages is read whole, together with others. */
const fewMax = 16

interface Asked {
  /** As it was ours when it was asked for: a read of an earlier ownership would hide from the later one what it read. */
  readonly partition: OwnedPartition | undefined
  readonly lane: string
  readonly countMax: number
  resolve(deliveries: LotDelivery[] | undefined): void
  reject(error: unknown): void
}

/** A group's lanes that wait outside the log: rows of `lot_lane` and `lot_entry`, read by the owner of their partition. */
export class FileParkingLot implements ParkingLot {
  readonly #member: Member
  readonly #atomic: AtomicSettlement
  // Since the last pass of the loop.
  #asked: Asked[] = []

  constructor(member: Member, atomic: AtomicSettlement) {
    this.#member = member
    this.#atomic = atomic
  }

  async move(
    lane: string,
    deliveries: readonly Delivery[],
    state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first?: AttemptRecord,
  ): Promise<void> {
    const held = deliveries.filter((delivery) => delivery instanceof LogDelivery || delivery instanceof LotDelivery)
    const head = held[0]
    if (head === undefined) return
    const { groupId } = this.#member
    await this.#atomic.settleWith(deliveries, (db) => {
      const row = laneByName(db, groupId, lane) ?? makeLane(db, groupId, lane, head.hash, state)
      appendToLane(db, row, held, first)
    })
  }

  read(partition: string, lane: string, countMax: number): Promise<readonly Delivery[] | undefined> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ partition: this.#member.partitions.get(partition), lane, countMax, resolve, reject })
      if (this.#asked.length === 1) this.#member.bus.reads.read((db) => this.#readAll(db)).catch((error: unknown) => this.#rejectAll(error))
    })
  }

  /** All lanes that were asked for, in two statements; but those with many messages, whose first ones only are wanted. */
  #readAll(db: Database): void {
    const asked = this.#asked
    const rows = lanesByName(
      db,
      this.#member.groupId,
      asked.map(({ lane }) => lane),
    )
    const few: number[] = []
    for (const { lane } of asked) {
      const row = rows.get(lane)
      if (row !== undefined && row.whole === 1 && row.count <= fewMax) few.push(row.id)
    }
    const entries = entriesOfLanes(db, few)
    this.#asked = []
    for (const { partition, lane, countMax, resolve, reject } of asked) {
      try {
        resolve(this.#take(db, partition, rows.get(lane), countMax, (row) => entries.get(row.id)))
      } catch (error) {
        reject(error)
      }
    }
  }

  #rejectAll(error: unknown): void {
    for (const { reject } of this.#asked.splice(0)) reject(error)
  }

  #take(
    db: Database,
    partition: OwnedPartition | undefined,
    row: LaneRow | undefined,
    countMax: number,
    loaded: (row: LaneRow) => LotEntryRow[] | undefined,
  ): LotDelivery[] | undefined {
    const { bus, subscription } = this.#member
    if (partition === undefined || partition.state === 'lost') throw leaseLost()
    if (row === undefined) return []
    if (intact(row).state === 'parked') return undefined
    if (row.count === 0) this.#takeAway(row)
    const { id, lane, hash } = row
    const deliveries: LotDelivery[] = []
    for (const entry of loaded(row) ?? entriesOf(db, id, countMax + heldOf(partition, lane))) {
      if (deliveries.length >= countMax) break
      if (partition.lotReads.has(intactEntry(entry).id)) continue
      const place = entryPlace(entry.position, entry.stored_at_ms, entry.redrives)
      const delivery = new LotDelivery(partition, lane, hash, entry, decodeEnvelope(db, place, entry, bus.path))
      deliveries.push(delivery)
    }
    for (const delivery of deliveries) partition.lotReads.set(delivery.row.id, delivery)
    if (subscription.groupConcurrency !== undefined && deliveries.length > 0) partition.blocked = true
    return deliveries
  }

  // Left by a discard, for the owner to hear of it.
  #takeAway(row: LaneRow): void {
    this.#member.bus.writer.write((db) => removeEmptyLane(db, row.id), { sync: 'soon' }).catch(() => undefined)
  }

  async reschedule(partitionName: string, lane: string, dueAtMs: number, head?: AttemptRecord): Promise<void> {
    const { bus, groupId, memberId, partitions } = this.#member
    const partition = partitions.get(partitionName)
    if (partition === undefined || partition.state === 'lost') throw leaseLost()
    await bus.writer.write((db) => {
      const mine = db.get(
        'SELECT 1 FROM partition WHERE group_id = ? AND modulus = ? AND residue = ? AND owner = ? AND epoch = ?',
        groupId,
        partition.modulus,
        partition.residue,
        memberId,
        partition.epoch,
      )
      const row = laneByName(db, groupId, lane)
      if (mine === undefined) throw leaseLost()
      if (row === undefined) return
      db.run('UPDATE lot_lane SET due_at_ms = ? WHERE id = ?', dueAtMs, row.id)
      if (head === undefined || !(head.delivery instanceof LotDelivery)) return
      // By its row, not as the first of the lane: one before it may be settled and not removed yet.
      db.run(
        'UPDATE lot_entry SET attempt = ?, deliveries = max(deliveries, ?), not_before_ms = ?, first_delivered_at_ms = ?, note = ? WHERE id = ?',
        head.attempt,
        head.delivery.deliveries + 1,
        head.notBeforeMs,
        head.firstDeliveredAtMs,
        head.note ?? null,
        head.delivery.row.id,
      )
    })
    if (head?.delivery instanceof LotDelivery) head.delivery.tried()
    voidLane(partition, lane)
    partition.blocked = false
  }
}

/** Messages of a lane that are with the core, or settled and not removed yet: neither must come again. */
function heldOf(partition: OwnedPartition, lane: string): number {
  let held = 0
  for (const read of partition.lotReads.values()) if (read.lane === lane) held++
  return held
}
