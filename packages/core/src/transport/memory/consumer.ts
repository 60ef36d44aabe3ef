import { mustHold, settleHeld } from '../held-deliveries.ts'
import { ReceiveWindow } from '../receive-window.ts'
import { leaseLost } from '../refusals.ts'
import type { AttemptRecord, Consumer, ConsumerObserver, DeadLetterRecord, Delivery, ParkingLot, Subscription } from '../transport.ts'
import type { Group } from './group.ts'
import { remember } from './lot.ts'
import type { Lane, Member, MemoryDelivery } from './model.ts'

/** A member of a group. Settling is immediate, so `flush` has nothing to wait for. */
export class MemoryConsumer implements Consumer, Member {
  readonly id: string
  readonly observer: ConsumerObserver
  readonly types: ReadonlySet<string>
  readonly owned: Set<string> = new Set()
  readonly lot: ParkingLot
  crashed = false
  readonly #group: Group
  readonly #window: ReceiveWindow
  readonly #held: Set<MemoryDelivery> = new Set()
  #turn = 0
  #closed = false

  constructor(id: string, group: Group, subscription: Subscription, observer: ConsumerObserver) {
    this.id = id
    this.#group = group
    this.observer = observer
    this.types = new Set(subscription.types)
    this.#window = new ReceiveWindow(subscription, (countMax, bytesMax) => (group.paused ? [] : group.take(this, countMax, bytesMax)))
    this.lot = {
      move: async (lane, deliveries, state, first) => {
        if (deliveries.length > 0) group.lot.move(lane, this.#mustHold(deliveries), state, first)
      },
      read: (partition, lane, countMax) => this.#readLane(partition, lane, countMax),
      reschedule: async (partition, name, dueAtMs, head) => group.lot.reschedule(this.#mustOwn(partition, name), dueAtMs, head),
    }
  }

  receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    return this.#window.receive(countMax, bytesMax)
  }

  accept(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => {
      this.#group.settle(delivery)
      this.#group.finish(delivery.entry)
    })
  }

  release(deliveries: readonly Delivery[]): void {
    this.#settle(deliveries, (delivery) => this.#group.giveBack(delivery))
  }

  async record(records: readonly AttemptRecord[]): Promise<void> {
    const held = this.#mustHold(records.map((record) => record.delivery))
    for (const [i, delivery] of held.entries()) remember(delivery.entry, records[i] as AttemptRecord)
  }

  async deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    const held = this.#mustHold(records.map((record) => record.delivery))
    held.forEach((delivery, i) => {
      this.#group.settle(delivery)
      this.#group.pending.delete(delivery.entry)
      this.#group.lot.deadLetter(records[i] as DeadLetterRecord, delivery.entry)
    })
  }

  async flush(): Promise<void> {}

  groupTypes(): ReadonlyMap<string, number> {
    return this.#group.types()
  }

  yieldPartition(partition: string, type: string): void {
    this.#group.yieldPartition(this, partition, type)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#stop()
    this.#group.leave(this, false)
  }

  // ------------------------------------------------------------ for the group

  serve(): void {
    this.#window.serve()
  }

  nextTurn(count: number): number {
    this.#turn = (this.#turn + 1) % count
    return this.#turn
  }

  hold(delivery: MemoryDelivery): void {
    this.#held.add(delivery)
  }

  letGo(delivery: MemoryDelivery): void {
    if (this.#held.delete(delivery)) this.#window.left(delivery)
  }

  heldOf(partition?: string): MemoryDelivery[] {
    return [...this.#held].filter((delivery) => partition === undefined || delivery.partition === partition)
  }

  /** Dies without a word: what it holds stays held until its lease has run out. */
  crash(takeOverMs: number): void {
    if (this.#closed) return
    this.crashed = true
    this.#stop()
    this.#group.channel.clock.setTimer(takeOverMs, () => this.#group.leave(this, true))
  }

  fence(): void {
    if (!this.#closed) this.#group.fence(this)
  }

  #stop(): void {
    this.#closed = true
    this.#window.close()
  }

  #settle(deliveries: readonly Delivery[], how: (delivery: MemoryDelivery) => void): void {
    if (!this.crashed) settleHeld(deliveries, how, (late) => this.#closed || this.observer.settlementLost(late, leaseLost()))
  }

  #mustHold(deliveries: readonly Delivery[]): readonly MemoryDelivery[] {
    if (this.crashed) throw leaseLost()
    return mustHold(deliveries)
  }

  #mustOwn(partition: string, name: string): Lane {
    const lane = this.#group.lot.lane(name)
    if (this.crashed || !this.owned.has(partition) || lane?.partition !== partition) throw leaseLost()
    return lane
  }

  async #readLane(partition: string, name: string, countMax: number): Promise<readonly Delivery[] | undefined> {
    if (!this.owned.has(partition)) throw leaseLost()
    await this.#group.room()
    if (this.#closed || this.#group.lot.lane(name) === undefined) return []
    this.#mustOwn(partition, name)
    return this.#group.lot.free(name, countMax)?.map((entry) => this.#group.deliver(entry, this, partition))
  }
}
