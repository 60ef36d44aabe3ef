import type { Delivery, Envelope } from '@sluice/core/transport'
import type { Block } from '../log/block.ts'
import type { AttemptRow, HeldDelivery, OwnedPartition } from './owned-partition.ts'

/** A message of the log in a consumer's hands. The envelope is made when it is first looked at. */
export class LogDelivery implements Delivery, HeldDelivery {
  readonly fromLot = false as const
  readonly owner: OwnedPartition
  readonly block: Block
  readonly index: number
  readonly position: number
  readonly suspect: boolean
  readonly deliveries: number
  readonly sizeBytes: number
  /** When it was handed out, ms since the epoch. */
  readonly deliveredAtMs: number
  readonly #firstDeliveredAtMs: number | undefined
  record: AttemptRow | undefined
  state: 'delivered' | 'settled' | 'released' = 'delivered'
  afterSettled = false
  #envelope: Envelope | undefined

  constructor(
    owner: OwnedPartition,
    block: Block,
    index: number,
    deliveries: number,
    record: AttemptRow | undefined,
    deliveredAtMs: number,
    firstDeliveredAtMs?: number,
  ) {
    this.owner = owner
    this.block = block
    this.index = index
    this.position = block.first + index
    this.suspect = this.position < owner.suspectBefore
    this.deliveries = deliveries
    this.sizeBytes = block.sizeAt(index)
    this.record = record
    this.deliveredAtMs = deliveredAtMs
    this.#firstDeliveredAtMs = firstDeliveredAtMs
  }

  get envelope(): Envelope {
    this.#envelope ??= this.block.envelopeAt(this.index)
    return this.#envelope
  }

  get partition(): string {
    return this.owner.name
  }

  get hash(): number {
    return this.block.hashAt(this.index)
  }

  get storedAtMs(): number {
    return this.block.storedAtMs
  }

  get attempt(): number {
    return this.record?.attempt ?? 0
  }

  get firstDeliveredAtMs(): number | undefined {
    return this.record === undefined || this.record.first_delivered_at_ms === 0 ? this.#firstDeliveredAtMs : this.record.first_delivered_at_ms
  }

  get notBeforeMs(): number {
    return this.record?.not_before_ms ?? 0
  }

  get note(): string | undefined {
    return this.record?.note ?? undefined
  }
}
