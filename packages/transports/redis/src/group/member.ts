import { type ConsumerObserver, newId, ownersByHash, type Subscription } from '@sluice/core/transport'
import type { LogReader } from '../log/reader.ts'
import type { RedisBus } from '../redis-bus.ts'
import type { OwnedPartition } from './partition.ts'

/** What the parts of one consumer share: who it is, and what it owns. */
export class Member {
  readonly bus: RedisBus
  readonly id: string
  readonly key: string
  readonly reader: LogReader
  readonly subscription: Subscription
  readonly observer: ConsumerObserver
  paused = false
  closing = false
  /** Until when its lease runs, by the monotonic clock. */
  leaseEndsAtMs = 0
  /** By name. */
  readonly partitions: Map<string, OwnedPartition> = new Map()
  /** Owner by hash % table length; undefined: not ours. */
  table: readonly (OwnedPartition | undefined)[] = [undefined]
  /** Deliveries of the log that are with the core, and their bytes. */
  inHand = 0
  inHandBytes = 0
  /** Answers a waiting `receive` if there is something now. Set by the consumer. */
  wake: () => void = () => {}

  constructor(bus: RedisBus, subscription: Subscription, observer: ConsumerObserver) {
    this.bus = bus
    this.id = `${bus.context.instanceId}/${newId().slice(-6)}`
    this.key = bus.key(subscription.channel)
    this.reader = bus.reader(subscription.channel)
    this.subscription = subscription
    this.observer = observer
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
    this.wake()
  }
}
