import type { AttemptRecord, Delivery, ParkingLot } from '@sluice/core/transport'
import type { AtomicSettlement } from '../group/atomic-settlement.ts'
import { LogDelivery } from '../group/log-delivery.ts'
import type { Member } from '../group/member.ts'
import { leaseLost } from '../group/ownership.ts'
import { voidLane } from '../group/partition-write.ts'
import type { Settlement } from '../group/settlement.ts'
import { decodeEnvelope } from '../log/envelope-row.ts'
import { LotDelivery, type LotEntryRow } from './lot-delivery.ts'
import { appendToLane, entryColumns, laneByName, makeLane } from './lot-rows.ts'

/** A group's lanes that wait outside the log: rows of `lot_lane` and `lot_entry`, read by the owner of their partition. */
export class FileParkingLot implements ParkingLot {
  readonly #member: Member
  readonly #settlement: Settlement
  readonly #atomic: AtomicSettlement

  constructor(member: Member, settlement: Settlement, atomic: AtomicSettlement) {
    this.#atomic = atomic
    this.#member = member
    this.#settlement = settlement
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
      let row = laneByName(db, groupId, lane)
      if (row === undefined) {
        row = makeLane(db, groupId, lane, head.hash, state.state, state.dueAtMs)
        // A lane that the core was told of and that is gone was discarded meanwhile: what becomes of it is news.
        if (!head.owner.knowsLane(lane)) head.owner.noteLane(lane, row.news)
      }
      appendToLane(db, row, held, first)
    })
  }

  async read(partitionName: string, lane: string, countMax: number): Promise<readonly Delivery[] | undefined> {
    const { bus, groupId, partitions, subscription } = this.#member
    const partition = partitions.get(partitionName)
    // Entries that were settled but not yet removed must not come again.
    await this.#settlement.settled()
    if (partition === undefined || partition.state === 'lost') throw leaseLost()
    const row = laneByName(bus.db, groupId, lane)
    if (row === undefined) return []
    if (row.state === 'parked') return undefined
    const serial = subscription.groupConcurrency !== undefined
    const entries = bus.db.all<LotEntryRow>(
      `SELECT ${entryColumns} FROM lot_entry WHERE lane_id = ? ORDER BY seq LIMIT ?`,
      row.id,
      countMax + partition.lotReads.size,
    )
    const deliveries: LotDelivery[] = []
    for (const entry of entries) {
      if (deliveries.length >= countMax) break
      if (partition.lotReads.has(entry.id)) continue
      const delivery = new LotDelivery(partition, lane, row.hash, entry, decodeEnvelope(bus.db, entry, bus.path))
      partition.lotReads.set(entry.id, delivery)
      deliveries.push(delivery)
    }
    if (serial && deliveries.length > 0) partition.blocked = true
    return deliveries
  }

  async reschedule(partitionName: string, lane: string, dueAtMs: number, head?: AttemptRecord): Promise<void> {
    const { bus, groupId, memberId, partitions } = this.#member
    const partition = partitions.get(partitionName)
    if (partition === undefined) throw leaseLost()
    // Flushed first: a settled head must be gone before the next one is its head.
    await this.#settlement.settled()
    if (partition.state === 'lost') throw leaseLost()
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
      if (head === undefined) return
      db.run(
        `UPDATE lot_entry SET attempt = ?, deliveries = max(deliveries, ?), not_before_ms = ?, first_delivered_at_ms = ?, note = ?
         WHERE id = (SELECT id FROM lot_entry WHERE lane_id = ? ORDER BY seq LIMIT 1)`,
        head.attempt,
        head.delivery.deliveries + 1,
        head.notBeforeMs,
        head.firstDeliveredAtMs,
        head.note ?? null,
        row.id,
      )
    })
    voidLane(partition, lane)
    partition.blocked = false
  }
}
