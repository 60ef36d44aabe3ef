/** The broker of the simulation as the SPI's `Consumer`: calls take effect later, in the order they were made, and may fail. */
import type { AttemptRecord, Consumer, DeadLetterRecord, Delivery, ParkingLot } from '../../../src/transport/index.ts'
import { type Broker, Refused } from '../broker.ts'
import type { SimDelivery, SimMember } from '../model.ts'
import type { World } from '../world.ts'

/** How often calls fail while things break. */
export interface ConsumerFaults {
  readonly requestFailShare: number
  readonly settleFailShare: number
}

/** The member whose consumer it is. */
export interface ConsumerMember extends SimMember {
  gone: boolean
  /** Epoch of each partition, as the member was told. */
  readonly epochs: ReadonlyMap<string, number>
}

/** See the header of this file. */
export class SimConsumer implements Consumer {
  readonly lot: ParkingLot | undefined
  /** What `receive` asked for and did not get yet. */
  pending: { readonly countMax: number; readonly resolve: (deliveries: readonly Delivery[]) => void } | undefined
  readonly #world: World
  readonly #broker: Broker
  readonly #member: ConsumerMember
  readonly #faults: () => ConsumerFaults | undefined
  #effectAtMs = 0
  #closed = false

  constructor(world: World, broker: Broker, member: ConsumerMember, lot: boolean, faults: () => ConsumerFaults | undefined) {
    this.#world = world
    this.#broker = broker
    this.#member = member
    this.#faults = faults
    this.lot = lot ? this.#parkingLot() : undefined
  }

  receive(countMax: number): Promise<readonly Delivery[]> {
    if (this.#closed) return Promise.resolve([])
    if (this.pending !== undefined) this.#world.violation(`${this.#member.name} receives twice at once`)
    return new Promise((resolve) => {
      this.pending = { countMax, resolve }
      this.#broker.pump()
    })
  }

  accept(deliveries: readonly Delivery[]): void {
    const settled = deliveries as readonly SimDelivery[]
    for (const delivery of settled) {
      if (delivery.accepted) this.#world.violation(`message ${delivery.copy.index} was accepted twice`)
      delivery.accepted = true
    }
    const faults = this.#faults()
    const fails = faults !== undefined && this.#world.chance(faults.settleFailShare)
    this.#later(() => (fails ? this.#broker.loseSettlement(settled) : this.#broker.accept(settled)))
  }

  release(deliveries: readonly Delivery[]): void {
    this.#later(() => this.#broker.release(deliveries as readonly SimDelivery[]))
  }

  record(records: readonly AttemptRecord[]): Promise<void> {
    return this.#call(
      () => this.#broker.record(records),
      () => {
        for (const record of records) (record.delivery as SimDelivery).copy.excused++
      },
    )
  }

  deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    return this.#call(() => {
      for (const record of records) this.#broker.deadLetter(record)
    })
  }

  flush(): Promise<void> {
    return new Promise((resolve) => this.#later(resolve))
  }

  groupTypes(): ReadonlyMap<string, number> {
    return new Map([['t', this.#broker.live.length]])
  }

  yieldPartition(): void {}

  close(): Promise<void> {
    return new Promise((resolve) =>
      this.#later(() => {
        this.end()
        this.#member.gone = true
        this.#broker.forget(this.#member, false)
        resolve()
      }),
    )
  }

  /** The pending `receive` ends. */
  end(): void {
    this.#closed = true
    const pending = this.pending
    this.pending = undefined
    pending?.resolve([])
  }

  #parkingLot(): ParkingLot {
    const member = this.#member
    return {
      move: (lane, deliveries, state, first) => this.#call(() => this.#broker.move(lane, deliveries, state, first)),
      read: (partition, lane, countMax) => {
        const epoch = member.epochs.get(partition) ?? 0
        return this.#call(() => this.#broker.read(member, partition, epoch, lane, countMax)).then((read) => {
          // SPI: a read whose deliveries were lost meanwhile rejects.
          if (read?.every((delivery) => delivery.state === 'held') !== false) return read
          this.#broker.release(read)
          throw new Refused()
        })
      },
      reschedule: (partition, lane, dueAtMs, head) => {
        const epoch = member.epochs.get(partition) ?? 0
        return this.#call(() => this.#broker.reschedule(member, partition, epoch, lane, dueAtMs, head as AttemptRecord))
      },
    }
  }

  #call<T>(effect: () => T, failed: () => void = () => undefined): Promise<T> {
    const faults = this.#faults()
    const fails = faults !== undefined && this.#world.chance(faults.requestFailShare)
    return new Promise((resolve, reject) => {
      this.#later(() => {
        let result: T
        try {
          if (fails) throw new Refused('not now')
          result = effect()
        } catch (error) {
          if (!(error instanceof Refused)) throw error
          failed()
          this.#member.after(this.#world.between(0, 5), () => reject(error))
          return
        }
        this.#member.after(this.#world.between(0, 5), () => resolve(result))
      })
    })
  }

  /** In the order of the calls; what a process asked for before it died may still have its effect or not: not here. */
  #later(effect: () => void): void {
    this.#effectAtMs = Math.max(this.#world.nowMs + this.#world.between(0, 4), this.#effectAtMs)
    this.#member.after(this.#effectAtMs - this.#world.nowMs, effect)
  }
}
