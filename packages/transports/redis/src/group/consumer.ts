import type { AttemptRecord, Consumer, ConsumerObserver, DeadLetterRecord, Delivery, ParkingLot, Subscription } from '@sluice/core/transport'
import { toSluice } from '../errors.ts'
import type { LogListener } from '../log/reader.ts'
import { deadLetter, record } from '../lot/outcomes.ts'
import { RedisParkingLot } from '../lot/parking-lot.ts'
import type { RedisBus } from '../redis-bus.ts'
import { collect } from './collect.ts'
import type { LogDelivery } from './delivery.ts'
import { Member } from './member.ts'
import { Membership } from './membership.ts'
import { Settlement } from './settlement.ts'

/** After the log could not be read, ms; and how many failures between reports. */
const retryMs = 200
const reportEvery = 50

/** A member of a group. */
export class RedisConsumer implements Consumer, LogListener {
  readonly lot: ParkingLot
  readonly #member: Member
  readonly #settlement: Settlement
  readonly #membership: Membership
  readonly #left: (consumer: RedisConsumer) => void
  #waiter: (() => void) | undefined
  #failures = 0
  #closing: Promise<void> | undefined

  constructor(bus: RedisBus, subscription: Subscription, observer: ConsumerObserver, left: (consumer: RedisConsumer) => void) {
    this.#member = new Member(bus, subscription, observer)
    this.#settlement = new Settlement(this.#member)
    this.#membership = new Membership(this.#member, this.#settlement)
    this.lot = new RedisParkingLot(this.#member, this.#settlement)
    this.#left = left
    // At once: a reader that nobody listens to is forgotten.
    this.#member.reader.listen(this)
    this.#member.wake = () => this.#wake()
  }

  async join(): Promise<void> {
    const { reader, bus } = this.#member
    try {
      await this.#membership.join()
      bus.watch.add(reader)
    } catch (error) {
      if (reader.unlisten(this) === 0) bus.forgetReader(reader)
      throw error
    }
  }

  async receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    const member = this.#member
    while (!member.closing) {
      if (!member.paused && !member.overdue) {
        const { deliveries, more } = collect(member, countMax, bytesMax)
        if (deliveries.length > 0) {
          if (deliveries.every(({ owner, position }) => position < owner.claimed)) return deliveries
          await this.#settlement.flush()
          const held = deliveries.filter(stillHeld)
          if (held.length > 0) return held
          continue
        }
        if (more) {
          await new Promise<void>((resolve) => setImmediate(resolve))
          continue
        }
      }
      await new Promise<void>((resolve) => {
        this.#waiter = resolve
      })
    }
    return []
  }

  accept(deliveries: readonly Delivery[]): void {
    this.#settlement.accept(deliveries)
  }

  release(deliveries: readonly Delivery[]): void {
    this.#settlement.release(deliveries)
  }

  record(records: readonly AttemptRecord[]): Promise<void> {
    return record(this.#settlement, records)
  }

  deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    return deadLetter(this.#member, this.#settlement, records)
  }

  flush(): Promise<void> {
    return this.#settlement.flush()
  }

  groupTypes(): ReadonlyMap<string, number> {
    return this.#membership.types
  }

  yieldPartition(partition: string, type: string): void {
    this.#membership.yield(partition, type)
  }

  get overdue(): boolean {
    return this.#member.overdue
  }

  confirmHeld(): Promise<void> {
    return this.#membership.confirmHeld()
  }

  /** Deliveries with the core, by the member's id: what `inspect` shows before the next heartbeat. */
  get inHand(): { readonly memberId: string; readonly count: number } {
    return { memberId: this.#member.id, count: this.#member.held }
  }

  /** The name of its channel, for what is looked after once a channel. */
  get channel(): string {
    return this.#member.subscription.channel
  }

  /** Heartbeat: the lease, cursors, figures, types. */
  tick(): void {
    this.#settlement.touch()
    void this.#membership.look('renew')
  }

  /** It is another server than before. */
  moved(): void {
    void this.#membership.moved()
  }

  /** Somebody of this process changed the group: resolves when this member has seen it. */
  look(): Promise<void> {
    return this.#membership.look('look')
  }

  woken(): void {
    this.#failures = 0
    this.#wake()
  }

  rung(): void {
    void this.#membership.look('look')
  }

  failed(error: Error): void {
    const { bus, title } = this.#member
    if (this.#failures++ % reportEvery === 0)
      bus.report('error', `${title} cannot read the log: ${toSluice(error, 'reading').message}`, toSluice(error, 'reading'))
    bus.clock.setTimer(retryMs, () => this.#wake())
  }

  /** For tests: does nothing more, and says so to nobody. */
  crash(): void {
    this.#member.closing = true
    this.#closing = Promise.resolve()
    this.#settlement.close()
    this.#wake()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { bus, reader, title } = this.#member
    this.#member.closing = true
    this.#wake()
    try {
      await this.#membership.leave()
    } catch (error) {
      bus.report('warn', `${title}: leaving could not be written; others take over after the lease`, toSluice(error, 'leaving'))
    } finally {
      this.#settlement.close()
      if (reader.unlisten(this) === 0) bus.forgetReader(reader)
      this.#left(this)
    }
  }

  #wake(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.()
  }
}

function stillHeld(delivery: LogDelivery): boolean {
  return delivery.state === 'delivered' && delivery.owner.state !== 'lost'
}
