import type { HeldDelivery } from '@sluice/core/transport'
import type { LotEntry, LotNote, LotState } from '../lot/lot-state.ts'
import type { AckWindow } from './ack-window.ts'

/** A partition, as its deliveries know it. */
export interface DeliveryOwner {
  readonly lot: LotState
  accept(delivery: RabbitDelivery): void
  release(delivery: RabbitDelivery): void
  /** Writes notes, in this order; resolves when all of them have come back and were applied. */
  write(notes: readonly { readonly note: LotNote; readonly message?: RabbitDelivery }[]): Promise<void>
}

/** A delivery of this transport: knows where it came from and whether it can still be settled. */
export interface RabbitDelivery extends HeldDelivery {
  readonly owner: DeliveryOwner
  /** Of the message in its queue; 0 where it came from the lot. */
  readonly tag: number
  /** Settles it there. */
  readonly acks: AckWindow | undefined
  /** Place in its partition. */
  readonly position: number
  /** Where it came from the lot. */
  readonly entry: LotEntry | undefined
}
