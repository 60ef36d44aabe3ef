import { type ConsumerObserver, newId, PartitionsInHand, type Subscription } from '@sluice/core/transport'
import type { LogReader } from '../log/reader.ts'
import type { RedisBus } from '../redis-bus.ts'
import type { OwnedPartition } from './partition.ts'

/** What the parts of one consumer share: who it is, and what it owns. */
export class Member extends PartitionsInHand<OwnedPartition> {
  readonly bus: RedisBus
  readonly id: string
  readonly key: string
  readonly reader: LogReader
  readonly subscription: Subscription
  paused = false
  closing = false
  /** Until when its lease runs, by the monotonic clock. */
  leaseEndsAtMs = 0

  constructor(bus: RedisBus, subscription: Subscription, observer: ConsumerObserver) {
    super(observer)
    this.bus = bus
    this.id = `${bus.context.instanceId}/${newId().slice(-6)}`
    this.key = bus.key(subscription.channel)
    this.reader = bus.reader(subscription.channel)
    this.subscription = subscription
  }

  /** The channel and group, for people. */
  get title(): string {
    return `group ${this.subscription.group} of ${this.subscription.channel}`
  }

  /** Its lease ran out as far as it knows: others may own what it holds. */
  get overdue(): boolean {
    return this.bus.clock.monotonicMs() > this.leaseEndsAtMs
  }

  /** Deliveries with the core, of the log and of the lot. */
  get held(): number {
    let count = this.inHand
    for (const partition of this.partitions.values()) count += partition.lotReads.size
    return count
  }
}
