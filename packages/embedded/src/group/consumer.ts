import type { AttemptRecord, Consumer, ConsumerObserver, DeadLetterRecord, Delivery, ParkingLot, Subscription, Timer } from '@sluice/core/transport'
import type { BusFile, BusListener } from '../bus-file.ts'
import type { ProcessLease } from '../lease/process-lease.ts'
import { FileParkingLot } from '../lot/parking-lot.ts'
import { storeError } from '../sqlite/errors.ts'
import { AtomicSettlement } from './atomic-settlement.ts'
import { type Collected, collect } from './collect.ts'
import type { LogDelivery } from './log-delivery.ts'
import { Member } from './member.ts'
import { Membership } from './membership.ts'
import { Settlement } from './settlement.ts'

/** After the log could not be read, ms; and how many failures between reports. */
const retryMs = 200
const reportEvery = 50
/** A damaged block is read again after this time, in case somebody mended the file, ms. */
const lookAgainMs = 10_000

/** What a consumer tells its transport. */
export interface FileConsumerEvents {
  left(consumer: FileConsumer): void
}

/** A member of a group on the bus file. */
export class FileConsumer implements Consumer, BusListener {
  readonly lot: ParkingLot
  readonly #member: Member
  readonly #settlement: Settlement
  readonly #atomic: AtomicSettlement
  readonly #membership: Membership
  readonly #events: FileConsumerEvents | undefined
  #waiter: (() => void) | undefined
  #failures = 0
  #lookAgain: Timer | undefined
  #closing: Promise<void> | undefined

  constructor(bus: BusFile, lease: ProcessLease, subscription: Subscription, observer: ConsumerObserver, events?: FileConsumerEvents) {
    this.#member = new Member(bus, lease, subscription, observer)
    this.#settlement = new Settlement(this.#member)
    this.#atomic = new AtomicSettlement(this.#member)
    this.#membership = new Membership(this.#member, this.#settlement)
    this.lot = new FileParkingLot(this.#member, this.#atomic)
    this.#events = events
    this.#member.wake = () => this.#wake()
  }

  async join(): Promise<void> {
    await this.#membership.join()
    this.#member.bus.listen(this)
  }

  async receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    const member = this.#member
    while (!member.closing) {
      if (!member.paused && !member.lease.overdue) {
        const collected = this.#collect(countMax, bytesMax)
        if (collected === undefined) {
          await new Promise<void>((resolve) => void member.bus.clock.setTimer(retryMs, resolve))
          continue
        }
        const { deliveries, more, stopped } = collected
        if (stopped !== undefined) this.#reportStopped(stopped)
        if (deliveries.length > 0) {
          const claimed = deliveries.every(({ owner }) => owner.deliveredEnd <= owner.claimed)
          if (claimed) return deliveries
          await this.#settlement.claim()
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

  // Nothing is skipped: what is damaged waits for a person, and what must not overtake it waits with it.
  #reportStopped({ partitions, fault }: NonNullable<Collected['stopped']>): void {
    const { bus, subscription } = this.#member
    if (partitions.length === 0) return
    this.#lookAgain ??= bus.clock.setTimer(lookAgainMs, () => {
      this.#lookAgain = undefined
      for (const partition of this.#member.partitions.values()) partition.stopped = false
      bus.forgetReader(this.#member.channelId)
      this.#wake()
    })
    const names = partitions.map(({ name }) => name).join(', ')
    bus.report('error', `group ${subscription.group} of ${subscription.channel} stops in partition ${names}: ${fault.message}`, fault)
  }

  // Reading fails: the disk, a damaged block. Saying so and trying again beats a consumer that is silently gone.
  #collect(countMax: number, bytesMax: number): Collected | undefined {
    const { bus, subscription } = this.#member
    try {
      const collected = collect(this.#member, countMax, bytesMax)
      this.#failures = 0
      return collected
    } catch (error) {
      const failure = storeError(error, bus.path)
      if (this.#failures++ % reportEvery === 0)
        bus.report('error', `group ${subscription.group} of ${subscription.channel} cannot read the log: ${failure.message}`, failure)
      return undefined
    }
  }

  #wake(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.()
  }

  woken(): void {
    if (this.#waiter !== undefined) this.#wake()
  }

  changed(): void {
    this.#membership.changed()
  }

  accept(deliveries: readonly Delivery[]): void {
    this.#settlement.accept(deliveries)
  }

  release(deliveries: readonly Delivery[]): void {
    this.#settlement.release(deliveries)
  }

  record(records: readonly AttemptRecord[]): Promise<void> {
    return this.#atomic.record(records)
  }

  deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    return this.#atomic.deadLetter(records)
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
    return this.#member.lease.overdue
  }

  async confirmHeld(): Promise<void> {
    const { bus } = this.#member
    for (let failures = 0; !this.#member.closing; failures++) {
      try {
        if (await this.#isCertain()) return
      } catch (error) {
        if (failures === 0) bus.report('warn', 'after a standstill it could not be read who owns what', storeError(error, bus.path))
      }
      await new Promise<void>((resolve) => void bus.clock.setTimer(retryMs, resolve))
    }
  }

  // Within the lease nobody took anything over. As long as it cannot be renewed (disk full), others may.
  async #isCertain(): Promise<boolean> {
    const { lease } = this.#member
    if (lease.overdue) await lease.renew()
    if (lease.overdue) return false
    this.#membership.checkHeld()
    return true
  }

  /** Which member this is, and how many deliveries are with the core now. */
  get inHand(): { readonly memberId: number; readonly count: number } {
    let count = this.#member.inHand
    for (const partition of this.#member.partitions.values()) count += partition.lotReads.size
    return { memberId: this.#member.memberId, count }
  }

  /** Heartbeat: cursors, figures, types. */
  tick(): void {
    this.#settlement.touch()
    this.#membership.tick()
  }

  /** The lease ran out, and others removed this process with all its members. */
  removed(): void {
    this.#membership.removed()
  }

  /** Looks for members that are gone. */
  rebalance(): void {
    void this.#membership.rebalance()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#member.closing = true
    this.#member.bus.unlisten(this)
    this.#member.bus.reader(this.#member.channelId).passed(this.#member, Infinity)
    this.#lookAgain?.cancel()
    this.#wake()
    this.#settlement.close()
    try {
      await this.#membership.leave()
    } catch (error) {
      // Full or failing disk: a stop does not wait for it. What is held is taken over once this process's lease runs out.
      const { bus, subscription } = this.#member
      bus.report(
        'warn',
        `group ${subscription.group} of ${subscription.channel}: leaving could not be written; others take over after the lease`,
        storeError(error, bus.path),
      )
    } finally {
      this.#settlement.close()
      this.#events?.left(this)
    }
  }
}

function stillHeld(delivery: LogDelivery): boolean {
  return delivery.state === 'delivered' && delivery.owner.state !== 'lost'
}
