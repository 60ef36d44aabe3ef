import type { AttemptRecord, Delivery, ParkingLot } from '@sluice/core/transport'
import type { AtomicSettlement } from '../group/atomic-settlement.ts'
import { LogDelivery } from '../group/log-delivery.ts'
import type { Member } from '../group/member.ts'
import { leaseLost } from '../group/ownership.ts'
import { voidLane } from '../group/partition-write.ts'
import { decodeEnvelope } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import { LotDelivery } from './lot-delivery.ts'
import { appendToLane, entriesOf, entryPlace, type LaneRow, laneByName, makeLane, removeEmptyLane } from './lot-rows.ts'

/** A group's lanes that wait outside the log: rows of `lot_lane` and `lot_entry`, read by the owner of their partition. */
export class FileParkingLot implements ParkingLot {
  readonly #member: Member
  readonly #atomic: AtomicSettlement

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

  read(partitionName: string, lane: string, countMax: number): Promise<readonly Delivery[] | undefined> {
    return this.#member.bus.reads.read((db) => this.#readNow(db, partitionName, lane, countMax))
  }

  #readNow(db: Database, partitionName: string, lane: string, countMax: number): readonly Delivery[] | undefined {
    const { bus, groupId, partitions, subscription } = this.#member
    const partition = partitions.get(partitionName)
    if (partition === undefined || partition.state === 'lost') throw leaseLost()
    const row = laneByName(db, groupId, lane)
    if (row === undefined) return []
    if (row.state === 'parked') return undefined
    if (row.count === 0) this.#takeAway(row)
    // With the core, or settled and not removed yet: neither must come again.
    let held = 0
    for (const read of partition.lotReads.values()) if (read.lane === lane) held++
    const deliveries: LotDelivery[] = []
    for (const entry of entriesOf(db, row.id, countMax + held)) {
      if (deliveries.length >= countMax) break
      if (partition.lotReads.has(entry.id)) continue
      const delivery = new LotDelivery(
        partition,
        lane,
        row.hash,
        entry,
        decodeEnvelope(db, entryPlace(entry.position, entry.stored_at_ms, entry.redrives), entry, bus.path),
      )
      partition.lotReads.set(entry.id, delivery)
      deliveries.push(delivery)
    }
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
    voidLane(partition, lane)
    partition.blocked = false
  }
}
