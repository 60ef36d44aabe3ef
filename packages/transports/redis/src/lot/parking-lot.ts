import { type AttemptRecord, type Delivery, keyHash, leaseLost, type ParkingLot, placementKey } from '@sluice/core/transport'
import { toSluice } from '../errors.ts'
import { LotDelivery, type LotNote, type RedisDelivery } from '../group/delivery.ts'
import type { Member } from '../group/member.ts'
import type { OwnedPartition } from '../group/partition.ts'
import type { Settlement } from '../group/settlement.ts'
import { pack, unpack } from '../wire/pack.ts'
import { movedJson, noteJson, rememberedOf, voidLane } from './outcomes.ts'

/** A group's lanes that wait outside the log: sorted sets of positions and the messages' copies, read by the owner of their partition. */
export class RedisParkingLot implements ParkingLot {
  readonly #member: Member
  readonly #settlement: Settlement

  constructor(member: Member, settlement: Settlement) {
    this.#member = member
    this.#settlement = settlement
  }

  async move(
    lane: string,
    deliveries: readonly Delivery[],
    state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first?: AttemptRecord,
  ): Promise<void> {
    const [head] = deliveries
    if (head === undefined) return
    const newer = first === undefined ? undefined : rememberedOf(first)
    await this.#settlement.atomically({
      deliveries: deliveries as readonly RedisDelivery[],
      settles: true,
      build: (write) =>
        void write.moves.push({
          lane,
          hash: keyHash(placementKey(head.envelope, this.#member.subscription.order) ?? head.envelope.id),
          state: state.state,
          due: state.dueAtMs,
          entries: deliveries.map((delivery, i) => [
            (delivery as RedisDelivery).position,
            movedJson(delivery, i === 0 ? newer : undefined),
            write.body(pack(delivery.envelope, delivery.sizeBytes)),
          ]),
        }),
      done: () => (head as RedisDelivery).owner.noteLane(lane, 0),
    })
  }

  async read(partitionName: string, lane: string, countMax: number): Promise<readonly Delivery[] | undefined> {
    const { bus, key, id, subscription } = this.#member
    const partition = this.#owned(partitionName)
    let held = 0
    for (const read of partition.lotReads) if (read.lane === lane) held++
    const words = [subscription.group, id, partition.name, partition.epoch, lane, countMax + held]
    const reply = await bus.link.run('readLane', key, ...words).catch((error: unknown) => {
      throw toSluice(error, 'reading the parking lot')
    })
    if (reply === 'lost' || (partition.state as string) === 'lost') throw leaseLost()
    if (reply === 'parked') return undefined
    return this.#deliver(partition, lane, countMax, reply as readonly (string | Uint8Array | number)[])
  }

  async reschedule(partitionName: string, lane: string, dueAtMs: number, head?: AttemptRecord): Promise<void> {
    const partition = this.#owned(partitionName)
    await this.#settlement.atomically({
      deliveries: [],
      partition,
      settles: false,
      build: (write) => {
        write.dues.push([lane, dueAtMs])
        if (head?.delivery instanceof LotDelivery) write.lrec.push([head.delivery.position, noteJson(head.delivery, rememberedOf(head)), partition.name])
      },
      done: () => {
        voidLane(this.#settlement, partition, lane)
        partition.blocked = false
      },
    })
  }

  #owned(name: string): OwnedPartition {
    const partition = this.#member.partitions.get(name)
    if (partition === undefined || partition.state === 'lost') throw leaseLost()
    return partition
  }

  #deliver(partition: OwnedPartition, lane: string, countMax: number, rows: readonly (string | Uint8Array | number)[]): LotDelivery[] {
    // With the core, or settled and not out of the lot yet: neither must come again.
    const held = new Set([...partition.lotReads].filter((read) => read.lane === lane).map(({ position }) => position))
    const deliveries: LotDelivery[] = []
    for (let i = 0; i + 3 < rows.length && deliveries.length < countMax; i += 4) {
      const position = String(rows[i])
      if (held.has(position)) continue
      const delivery = new LotDelivery(partition, lane, position, unpack(bytesOf(rows[i + 1])), JSON.parse(String(rows[i + 2])) as LotNote, rows[i + 3] === 1)
      partition.lotReads.add(delivery)
      deliveries.push(delivery)
    }
    if (this.#member.subscription.groupConcurrency !== undefined && deliveries.length > 0) partition.blocked = true
    return deliveries
  }
}

// A packed message that happens to be text was read as text.
function bytesOf(value: string | number | Uint8Array | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new TextEncoder().encode(String(value))
}
