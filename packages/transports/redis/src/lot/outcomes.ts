/** Attempts and dead letters: each call is one with the settlement of its deliveries. */
import { type AttemptRecord, type DeadLetterRecord, type Delivery, keyHash, placementKey } from '@sluice/core/transport'
import { LogDelivery, type LotDelivery, type LotNote, type RedisDelivery } from '../group/delivery.ts'
import type { Member } from '../group/member.ts'
import type { OwnedPartition, Remembered } from '../group/partition.ts'
import type { Settlement } from '../group/settlement.ts'
import { pack } from '../wire/pack.ts'

/** A dead letter as the server keeps it beside its message; `position` places it in its lane again. */
export interface DeadMeta {
  readonly lane: string
  readonly hash: number
  readonly position: string
  readonly type: string
  readonly key?: string
  readonly redrives: number
  readonly reason: DeadLetterRecord['reason']
}

export function record(settlement: Settlement, records: readonly AttemptRecord[]): Promise<void> {
  if (records.length === 0) return Promise.resolve()
  const remembered = records.map(rememberedOf)
  return settlement.atomically({
    deliveries: records.map(({ delivery }) => delivery as RedisDelivery),
    settles: false,
    build: (write) => {
      records.forEach(({ delivery }, i) => {
        if (delivery instanceof LogDelivery) write.rec.push([delivery.position, JSON.stringify(remembered[i])])
        else write.lrec.push([(delivery as LotDelivery).position, noteJson(delivery as LotDelivery, remembered[i] as Remembered), delivery.partition])
      })
    },
    done: () => {
      records.forEach(({ delivery }, i) => {
        if (delivery instanceof LogDelivery) {
          delivery.remembered = remembered[i]
          delivery.owner.attempts.set(delivery.position, remembered[i] as Remembered)
        }
      })
    },
  })
}

export function deadLetter(member: Member, settlement: Settlement, records: readonly DeadLetterRecord[]): Promise<void> {
  if (records.length === 0) return Promise.resolve()
  const { order } = member.subscription
  return settlement.atomically({
    deliveries: records.map(({ delivery }) => delivery as RedisDelivery),
    settles: true,
    build: (write) => {
      for (const { delivery, lane, mode, reason } of records) {
        const { envelope } = delivery
        const place = placementKey(envelope, order)
        const meta: DeadMeta = {
          lane,
          hash: keyHash(place ?? envelope.id),
          position: (delivery as RedisDelivery).position,
          type: envelope.type,
          ...(envelope.partitionkey === undefined ? {} : { key: envelope.partitionkey }),
          redrives: delivery instanceof LogDelivery ? 0 : ((delivery as LotDelivery).lotNote.redrives ?? 0),
          reason,
        }
        // An unkeyed message has no successors to park, unless the whole channel is one lane.
        const park = mode === 'park' && place !== undefined ? 1 : 0
        write.dead.push({ lane, hash: meta.hash, park, json: JSON.stringify(meta), body: write.body(pack(envelope, delivery.sizeBytes)) })
      }
    },
    done: () => {
      // Parked lanes: what was read of them and not settled is back in the lot.
      for (const { mode, lane, delivery } of records) {
        const { owner } = delivery as RedisDelivery
        if (mode !== 'park') continue
        owner.noteLane(lane, 0)
        voidLane(settlement, owner, lane)
      }
    },
  })
}

/** What was read of a lane and not settled is void: back in the lot. */
export function voidLane(settlement: Settlement, partition: OwnedPartition, lane: string): void {
  for (const delivery of partition.lotReads) {
    if (delivery.lane !== lane || delivery.state !== 'delivered') continue
    delivery.state = 'void'
    partition.lotReads.delete(delivery)
    settlement.putBack(delivery.position)
  }
}

export function rememberedOf({ delivery, attempt, notBeforeMs, firstDeliveredAtMs, note }: AttemptRecord): Remembered {
  return { attempt, deliveries: delivery.deliveries + 1, notBeforeMs, firstDeliveredAtMs, ...(note === undefined ? {} : { note }) }
}

/** What a lot entry carries after `remembered` was noted. */
export function noteJson(delivery: LotDelivery, remembered: Remembered): string {
  const note: LotNote = { redrives: delivery.lotNote.redrives ?? 0, ...remembered }
  return JSON.stringify(note)
}

/** What a lot entry carries of a delivery that is moved there. */
export function movedJson(delivery: Delivery, newer: Remembered | undefined): string {
  const { attempt, deliveries, notBeforeMs, firstDeliveredAtMs = 0, note } = delivery
  const note0: LotNote = {
    redrives: delivery instanceof LogDelivery ? 0 : ((delivery as LotDelivery).lotNote.redrives ?? 0),
    ...(newer ?? { attempt, deliveries: deliveries + 1, notBeforeMs, firstDeliveredAtMs, ...(note === undefined ? {} : { note }) }),
  }
  return JSON.stringify(note0)
}
