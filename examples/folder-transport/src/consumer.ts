import {
  type AttemptRecord,
  type Consumer,
  type ConsumerObserver,
  type DeadLetterRecord,
  type Delivery,
  ReceiveWindow,
  SluiceError,
  type Subscription,
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
    const held = this.#stillHeld(deliveries)
    for (const delivery of held) this.#group.accept(delivery)
    this.#write(held)
  }

  release(deliveries: readonly Delivery[]): void {
    const held = this.#stillHeld(deliveries)
    for (const delivery of held) this.#group.giveBack(delivery)
    this.#write(held)
  }

  async record(records: readonly AttemptRecord[]): Promise<void> {
    this.#mustHold(records)
    for (const { delivery, attempt, notBeforeMs, firstDeliveredAtMs, note } of records)
      Object.assign((delivery as FolderDelivery).entry, { attempt, notBeforeMs, firstDeliveredAtMs, note })
    await this.#group.save()
  }

  async deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    this.#mustHold(records)
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

  /** Those among them that are still this member's; of the others it is told that they are not. */
  #stillHeld(deliveries: readonly Delivery[]): readonly FolderDelivery[] {
    const late = (deliveries as readonly FolderDelivery[]).filter(({ state }) => state === 'lost')
    if (late.length > 0 && !this.#closed) queueMicrotask(() => this.observer.settlementLost(late, leaseLost()))
    return (deliveries as readonly FolderDelivery[]).filter(({ state }) => state === 'held')
  }

  #mustHold(records: readonly { readonly delivery: Delivery }[]): void {
    if (records.some(({ delivery }) => (delivery as FolderDelivery).state !== 'held')) throw leaseLost()
  }
}

function leaseLost(): SluiceError {
  return new SluiceError('LEASE_LOST', 'the delivery was taken away before it was settled', { fix: 'It is delivered again' })
}
