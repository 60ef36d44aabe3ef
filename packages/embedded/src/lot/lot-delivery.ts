import type { Delivery, Envelope } from '@sluice/core/transport'
import type { OwnedPartition } from '../group/owned-partition.ts'

/** A row of the table `lot_entry`. */
export interface LotEntryRow {
  readonly id: number
  readonly lane_id: number
  readonly seq: number
  readonly position: number
  readonly stored_at_ms: number
  readonly attempt: number
  readonly deliveries: number
  readonly not_before_ms: number
  readonly first_delivered_at_ms: number | null
  readonly note: string | null
  readonly redrives: number
  readonly attributes: string
  readonly body: string | Uint8Array
  readonly size_bytes: number
  readonly checksum: number
  /** 1: its numbers are what was written. */
  readonly whole: number
}

/** A message of the parking lot in a consumer's hands. */
export class LotDelivery implements Delivery {
  readonly fromLot = true as const
  readonly owner: OwnedPartition
  readonly suspect: boolean
  readonly lane: string
  readonly laneHash: number
  readonly row: LotEntryRow
  state: 'delivered' | 'settled' | 'void' = 'delivered'
  /** Progress that was recorded after it was read. */
  attempt: number
  firstDeliveredAtMs: number | undefined
  notBeforeMs: number
  note: string | undefined
  readonly envelope: Envelope

  constructor(owner: OwnedPartition, lane: string, laneHash: number, row: LotEntryRow, envelope: Envelope) {
    this.owner = owner
    // Reading the lot is not claimed beforehand: after a death every entry that was in it may have been begun.
    this.suspect = owner.deaths > 0 && row.id <= owner.lotEnd && !owner.lotTried.has(row.id)
    this.lane = lane
    this.laneHash = laneHash
    this.row = row
    this.attempt = row.attempt
    this.firstDeliveredAtMs = row.first_delivered_at_ms ?? undefined
    this.notBeforeMs = row.not_before_ms
    this.note = row.note ?? undefined
    this.envelope = envelope
  }

  get partition(): string {
    return this.owner.name
  }

  get hash(): number {
    return this.laneHash
  }

  get deliveries(): number {
    return this.row.deliveries
  }

  /** Its owner wrote its attempts: from now on they are exact. */
  tried(): void {
    if (this.suspect) this.owner.lotTried.add(this.row.id)
  }

  get storedAtMs(): number {
    return this.row.stored_at_ms
  }

  get sizeBytes(): number {
    return this.row.size_bytes
  }
}
