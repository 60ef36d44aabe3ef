import type { Delivery, Envelope } from '@sluice/core/transport'
import type { LogEntry, StoredMessage } from '../wire/entries.ts'
import { msOf, type Position } from '../wire/position.ts'
import type { HeldDelivery, HeldLotDelivery, OwnedPartition, Remembered } from './partition.ts'

/** A message of the log in a consumer's hands. */
export class LogDelivery implements Delivery, HeldDelivery {
  readonly fromLot = false as const
  readonly owner: OwnedPartition
  readonly entry: LogEntry
  readonly deliveries: number
  readonly suspect: boolean
  readonly deliveredAtMs: number
  readonly #firstDeliveredAtMs: number | undefined
  remembered: Remembered | undefined
  state: 'delivered' | 'settled' | 'released' = 'delivered'
  afterSettled = false

  constructor(
    owner: OwnedPartition,
    entry: LogEntry,
    deliveries: number,
    remembered: Remembered | undefined,
    deliveredAtMs: number,
    firstDeliveredAtMs: number | undefined,
  ) {
    this.owner = owner
    this.entry = entry
    this.deliveries = deliveries
    this.suspect = entry.position < owner.suspectBefore
    this.remembered = remembered
    this.deliveredAtMs = deliveredAtMs
    this.#firstDeliveredAtMs = firstDeliveredAtMs
  }

  get position(): Position {
    return this.entry.position
  }

  get envelope(): Envelope {
    return this.entry.envelope
  }

  get partition(): string {
    return this.owner.name
  }

  get storedAtMs(): number {
    return msOf(this.entry.position)
  }

  get sizeBytes(): number {
    return this.entry.sizeBytes
  }

  get attempt(): number {
    return this.remembered?.attempt ?? 0
  }

  get firstDeliveredAtMs(): number | undefined {
    const first = this.remembered?.firstDeliveredAtMs ?? 0
    return first === 0 ? this.#firstDeliveredAtMs : first
  }

  get notBeforeMs(): number {
    return this.remembered?.notBeforeMs ?? 0
  }

  get note(): string | undefined {
    return this.remembered?.note
  }
}

/** What a lot entry carries beside its message, as JSON. */
export interface LotNote extends Partial<Remembered> {
  readonly redrives?: number
}

/** A message of the parking lot in a consumer's hands. */
export class LotDelivery implements Delivery, HeldLotDelivery {
  readonly fromLot = true as const
  readonly owner: OwnedPartition
  readonly lane: string
  readonly position: Position
  readonly message: StoredMessage
  readonly lotNote: LotNote
  readonly suspect: boolean
  state: 'delivered' | 'settled' | 'void' = 'delivered'

  constructor(owner: OwnedPartition, lane: string, position: Position, message: StoredMessage, lotNote: LotNote, suspect: boolean) {
    this.owner = owner
    this.lane = lane
    this.position = position
    this.message = message
    this.lotNote = lotNote
    this.suspect = suspect
  }

  get envelope(): Envelope {
    return this.message.envelope
  }

  get partition(): string {
    return this.owner.name
  }

  get storedAtMs(): number {
    return msOf(this.position)
  }

  get sizeBytes(): number {
    return this.message.sizeBytes
  }

  get attempt(): number {
    return this.lotNote.attempt ?? 0
  }

  get deliveries(): number {
    return Math.max(this.lotNote.deliveries ?? 0, this.suspect ? 1 : 0)
  }

  get firstDeliveredAtMs(): number | undefined {
    return this.lotNote.firstDeliveredAtMs || undefined
  }

  get notBeforeMs(): number {
    return this.lotNote.notBeforeMs ?? 0
  }

  get note(): string | undefined {
    return this.lotNote.note
  }
}

export type RedisDelivery = LogDelivery | LotDelivery
