import { type ConsumerObserver, ownersByHash, type Subscription } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import type { ProcessLease } from '../lease/process-lease.ts'
import type { OwnedPartition } from './owned-partition.ts'

/** What the parts of one consumer share: who it is, and what it owns. */
export class Member {
  readonly bus: BusFile
  readonly lease: ProcessLease
  readonly subscription: Subscription
  readonly observer: ConsumerObserver
  readonly types: ReadonlySet<string>
  channelId = 0
  groupId = 0
  memberId = 0
  paused = false
  closing = false
  /** By name. */
  readonly partitions: Map<string, OwnedPartition> = new Map()
  /** Owner by key hash % table length; undefined: not ours. */
  table: readonly (OwnedPartition | undefined)[] = [undefined]
  /** Deliveries of the log that are with the core, and their bytes. */
  inHand = 0
  inHandBytes = 0
  /** Answers a waiting `receive` if there is something now. Set by the consumer. */
  wake: () => void = () => {}

  constructor(bus: BusFile, lease: ProcessLease, subscription: Subscription, observer: ConsumerObserver) {
    this.bus = bus
    this.lease = lease
    this.subscription = subscription
    this.observer = observer
    this.types = new Set(subscription.types)
  }

  /** After partitions came or went. */
  rebuildTable(): void {
    this.table = ownersByHash(this.partitions.values())
  }

  /** Somebody else owns it now: what is unsettled of it can no longer be settled. */
  lose(partition: OwnedPartition): void {
    if (partition.state === 'lost') return
    this.drop(partition)
    this.observer.lost(partition.name)
  }

  /** Forgets a partition, with what is in hand of it; once: it may be lost while it is given up. */
  drop(partition: OwnedPartition): void {
    if (partition.state === 'lost') return
    partition.state = 'lost'
    for (const delivery of partition.unsettledDeliveries()) {
      if (delivery.state !== 'delivered') continue
      this.inHand--
      this.inHandBytes -= delivery.sizeBytes
    }
    if (this.partitions.get(partition.name) === partition) this.partitions.delete(partition.name)
    this.rebuildTable()
  }
}
