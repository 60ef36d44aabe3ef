import { type ConsumerObserver, PartitionsInHand, type Subscription } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import type { ProcessLease } from '../lease/process-lease.ts'
import type { OwnedPartition } from './owned-partition.ts'

/** What the parts of one consumer share: who it is, and what it owns. */
export class Member extends PartitionsInHand<OwnedPartition> {
  readonly bus: BusFile
  readonly lease: ProcessLease
  readonly subscription: Subscription
  readonly types: ReadonlySet<string>
  channelId = 0
  groupId = 0
  memberId = 0
  paused = false
  closing = false

  constructor(bus: BusFile, lease: ProcessLease, subscription: Subscription, observer: ConsumerObserver) {
    super(observer)
    this.bus = bus
    this.lease = lease
    this.subscription = subscription
    this.types = new Set(subscription.types)
  }
}
