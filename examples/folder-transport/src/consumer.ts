import {
  type AttemptRecord,
  type Consumer,
  type ConsumerObserver,
  type DeadLetterRecord,
  type Delivery,
  leaseLost,
  mustHold,
  ReceiveWindow,
  SluiceError,
  type Subscription,
  settleHeld,
  toError,
} from '@sluice/core/transport'
import type { FolderDelivery, Group, Member } from './group.ts'

/** A member of a group. What it settles is settled in memory at once, and on disk when the group's file is written. */
export class FolderConsumer implements Consumer, Member {
  readonly id: string
  readonly observer: ConsumerObserver
  readonly types: ReadonlySet<string>
  readonly owned: Set<string> = new Set()
  readonly held: Set<FolderDelivery> = new Set()
  readonly lot: undefined
  readonly #group: Group
  readonly #window: ReceiveWindow
  #written: Promise<void> = Promise.resolve()
  #closed = false

  constructor(id: string, group: Group, subscription: Subscription, observer: ConsumerObserver) {
    this.id = id
    this.#group = group
    this.types = new Set(subscription.types)
    this.observer = observer
    this.#window = new ReceiveWindow(subscription, (countMax, bytesMax) => (group.paused ? [] : group.take(this, countMax, bytesMax)))
  }

  receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    return this.#window.receive(countMax, bytesMax)
  }

  letGo(delivery: FolderDelivery): void {
    if (this.held.delete(delivery)) this.#window.left(delivery)
  }

  serve(): void {
    this.#window.serve()
  }

  accept(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => this.#group.accept(delivery))
  }

  release(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => this.#group.giveBack(delivery))
  }

  async record(records: readonly AttemptRecord[]): Promise<void> {
    mustHold(records.map(({ delivery }) => delivery))
    for (const { delivery, attempt, notBeforeMs, firstDeliveredAtMs, note } of records)
      Object.assign((delivery as FolderDelivery).entry, { attempt, notBeforeMs, firstDeliveredAtMs, note })
    await this.#group.save()
  }

  async deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    mustHold(records.map(({ delivery }) => delivery))
    for (const record of records) this.#group.bury(record)
    await this.#group.save()
  }

  flush(): Promise<void> {
    return this.#written
  }

  groupTypes(): ReadonlyMap<string, number> {
    return this.#group.types()
  }

  yieldPartition(partition: string, type: string): void {
    this.#group.yieldPartition(this, partition, type)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#window.close()
    this.#group.leave(this)
    await this.#written
    await this.#group.save().catch(() => {})
  }

  #write(deliveries: readonly FolderDelivery[]): void {
    if (deliveries.length === 0) return
    this.#written = this.#group.save().catch((cause: unknown) => {
      const error = new SluiceError('TRANSPORT_FAILED', 'the folder cannot be written: after a restart this comes again', { cause: toError(cause) })
      this.observer.settlementLost(deliveries, error)
    })
  }

  /** Settles what is still this member's; of the rest it is told that it is not. */
  #settle(deliveries: readonly Delivery[], how: (delivery: FolderDelivery) => void): void {
    const held: FolderDelivery[] = []
    const settle = (delivery: FolderDelivery): void => {
      held.push(delivery)
      how(delivery)
    }
    settleHeld(deliveries, settle, (late) => this.#closed || this.observer.settlementLost(late, leaseLost()))
    this.#write(held)
  }
}
