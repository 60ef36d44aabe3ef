import type { Delivery } from '@sluice/core/transport'
import type { LotEntry } from '../lot/lot-state.ts'
import type { AckWindow } from './ack-window.ts'
import type { OwnedPartition } from './partition.ts'

/** A delivery of this transport: knows where it came from and whether it can still be settled. */
export interface RabbitDelivery extends Delivery {
  readonly owner: OwnedPartition
  /** Of the message in its queue; 0 where it came from the lot. */
  readonly tag: number
  /** Settles it there. */
  readonly acks: AckWindow | undefined
  /** Place in its partition. */
  readonly position: number
  /** Where it came from the lot. */
  readonly entry: LotEntry | undefined
  state: 'held' | 'settled' | 'lost'
}
