import type { ConsumerObserver } from '../transport.ts'
import { ownersByHash } from './assignment.ts'

/** A partition that this process owns under a lease. */
export interface LeasedPartition {
  readonly name: string
  readonly modulus: number
  readonly residue: number
  state: 'owned' | 'revoking' | 'lost'
  /** Its deliveries that are not settled; `delivered` ones are with the core. */
  unsettledDeliveries(): readonly { readonly state: string; readonly sizeBytes: number }[]
}

/** What one consumer owns of a log that it reads by itself, and how much of it is with the core. */
export class PartitionsInHand<P extends LeasedPartition> {
  readonly observer: ConsumerObserver
  /** By name. */
  readonly partitions: Map<string, P> = new Map()
  /** Owner by hash % table length; undefined: not ours. */
  table: readonly (P | undefined)[] = [undefined]
  /** Deliveries of the log that are with the core, and their bytes. */
  inHand = 0
  inHandBytes = 0
  /** Answers a waiting `receive` if there is something now. Set by the consumer. */
  wake: () => void = () => {}

  constructor(observer: ConsumerObserver) {
    this.observer = observer
  }

  /** After partitions came or went. */
  rebuildTable(): void {
    this.table = ownersByHash(this.partitions.values())
  }

  /** Somebody else owns it now: what is unsettled of it can no longer be settled. */
  lose(partition: P): void {
    if (partition.state === 'lost') return
    this.drop(partition)
    this.observer.lost(partition.name)
  }

  /** Forgets a partition, with what is in hand of it, once (it may be lost while it is given up); what it held makes room. */
  drop(partition: P): void {
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
