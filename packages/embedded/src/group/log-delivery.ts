import type { Delivery, Envelope } from '@sluice/core/transport'
import type { Block } from '../log/block.ts'
import type { AttemptRow, HeldDelivery, OwnedPartition } from './owned-partition.ts'

/** A message of the log in a consumer's hands. The envelope is made when it is first looked at. */
export class LogDelivery implements Delivery, HeldDelivery {
  readonly owner: OwnedPartition
  readonly block: Block
  readonly index: number
  readonly deliveries: number
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
    this.deliveries = deliveries
    this.record = record
    this.deliveredAtMs = deliveredAtMs
    this.#firstDeliveredAtMs = firstDeliveredAtMs
  }

  get fromLot(): false {
    return false
  }

  get position(): number {
    return this.block.first + this.index
  }

  get suspect(): boolean {
    return this.position < this.owner.suspectBefore
  }

  get sizeBytes(): number {
    return this.block.sizeAt(this.index)
  }

  /** It stays until its settlement is synced; its envelope, made again if anybody should ask, need not. */
  forgetEnvelope(): void {
    this.#envelope = undefined
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
