/**
 * A group's parking lot, as a member keeps it: what is written counts when it is read back from the lot's topic, and when most
 * of what was written has no meaning any more it is written anew.
 */
import { type AttemptRecord, attemptsOf, type Delivery, describeLane, type LotLane, leaseLost, mustHold, newId, type ParkingLot } from '@sluice/core/transport'
import { toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import type { Source } from '../link/fetcher.ts'
import { readLotRecord } from '../lot/lot-record.ts'
import { deleteRecords, latest, listOffsets } from '../protocol/requests/topics.ts'
import { endHanging } from './hanging-transaction.ts'
import type { KafkaDelivery, OwnedPartition } from './partition.ts'
import type { LotWrite, Settlement } from './settlement.ts'

const patienceMs = 30_000
/** A transaction is given up by its coordinator after 10 s, which it looks at every 10 s: what is open for longer hangs, ms. */
const stuckMs = 22_000

/** What the lot needs of its consumer. */
export interface LotHome {
  readonly bus: KafkaBus
  readonly channel: string
  readonly group: string
  readonly settlement: Settlement
  isClosed(): boolean
  /** The partition of this name, if it is this member's to settle; throws LEASE_LOST. */
  mustOwn(partition: string): OwnedPartition
  /** Deliveries were settled by what was written. */
  settled(): void
  lotChanged(partition: string, lanes: readonly LotLane[]): void
}

/** See the header of this file. */
export class LotKeeper implements ParkingLot {
  readonly #home: LotHome
  readonly #topic: string
  /** Who waits until something more was read. */
  readonly #reading: Set<() => void> = new Set()
  readonly #tidying: Set<OwnedPartition> = new Set()
  #making: Promise<void> | undefined

  constructor(home: LotHome) {
    this.#home = home
    this.#topic = home.bus.names.lot(home.channel, home.group)
  }

  /** Whether the group ever put anything into it. */
  get isThere(): boolean {
    const { bus, channel, group } = this.#home
    return bus.registry.state.group(channel, group)?.hasLot === true
  }

  async move(
    lane: string,
    deliveries: readonly Delivery[],
    { state, dueAtMs }: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first: AttemptRecord | undefined,
  ): Promise<void> {
    const held = mustHold<KafkaDelivery>(deliveries)
    const owner = held[0]?.owner
    if (owner === undefined) return
    const notes = held.map((delivery, i): LotWrite => {
      const { offset, storedAtMs, redrives, envelope, sizeBytes } = delivery
      const attempts = i === 0 && first !== undefined ? attemptsOf(first) : owner.lot.attempts.get(offset)
      const about = { lane, state, dueAtMs, deliveries: delivery.deliveries + 1, redrives, offset, storedAtMs }
      return { note: { kind: 'entry', id: newId(), ...about, ...(attempts === undefined ? {} : { attempts }) }, message: { envelope, sizeBytes } }
    })
    await this.write(owner, notes, held)
    this.#home.settled()
  }

  async read(name: string, lane: string, countMax: number): Promise<readonly Delivery[] | undefined> {
    const partition = this.#home.mustOwn(name)
    const found = partition.read(lane, countMax)
    if (found === undefined || found.length === 0) return found
    const fresh = found.flatMap(({ entryId }) => (entryId !== undefined && partition.lot.entry(entryId)?.isBegun === false ? [entryId] : []))
    if (fresh.length > 0) await this.write(partition, [{ note: { kind: 'begun', ids: fresh } }])
    return found.filter(({ state }) => state === 'held')
  }

  async reschedule(name: string, lane: string, dueAtMs: number, head: AttemptRecord | undefined): Promise<void> {
    const partition = this.#home.mustOwn(name)
    const entryId = (head?.delivery as KafkaDelivery | undefined)?.entryId
    const about = head === undefined || entryId === undefined ? {} : { head: { id: entryId, attempts: attemptsOf(head) } }
    await this.write(partition, [{ note: { kind: 'due', lane, dueAtMs, ...about } }])
  }

  /** Writes notes and settles; resolves when they have been read back. */
  async write(partition: OwnedPartition, notes: readonly LotWrite[], settles: readonly KafkaDelivery[] = []): Promise<void> {
    const { bus, channel, group, settlement } = this.#home
    if (!this.isThere) {
      this.#making ??= bus.topology.makeLot(channel, group).finally(() => {
        this.#making = undefined
      })
      await this.#making
    }
    await settlement.atomic(partition, notes, settles)
    await this.readBack(partition)
    if (partition.isGone) throw leaseLost()
  }

  /** Reads a partition of it. */
  source(partition: OwnedPartition): Source {
    return {
      topic: this.#topic,
      partition: partition.index,
      get offset() {
        return partition.lotOffset
      },
      wanted: true,
      take: (records, nextOffset) => {
        partition.lotOffset = nextOffset
        for (const record of records) {
          const read = readLotRecord(record, this.#topic)
          if (read === undefined) continue
          const { note, message } = read
          const { lanes, voided } = partition.lot.apply(note, message)
          for (const lane of voided) partition.void(lane)
          // What we wrote ourselves the core knows.
          if (lanes.length > 0 && partition.state !== 'taking' && (note.kind === 'redrive' || note.kind === 'discard'))
            this.#home.lotChanged(
              partition.name,
              lanes.map((lane) => describeLane(lane, partition.name)),
            )
        }
        this.wake()
        if (partition.state === 'owned' && partition.lot.isUntidy) void this.tidy(partition)
      },
      missed: (logStart) => {
        partition.lotOffset = logStart
      },
    }
  }

  /** Writes what is in the lot anew, and deletes what came to it: the lot's topic has no other end. */
  async tidy(partition: OwnedPartition): Promise<void> {
    if (this.#tidying.has(partition)) return
    this.#tidying.add(partition)
    try {
      let before = 0
      let decided = 0
      await this.#home.settlement.atomic(partition, [], [], async () => {
        // Everything that was written is read, and nothing else is written until this is.
        await this.readBack(partition)
        before = partition.lotOffset
        decided = partition.lot.decided
        return [...partition.lot.rewritten((offset) => partition.progress.isDone(offset))].map(([note, message]) =>
          message === undefined ? { note } : { note, message },
        )
      })
      await this.readBack(partition)
      // What an administrator decided between our look and our writing was overwritten by it: once more.
      const missed = partition.lot.decisionsSince(decided)
      if (missed.length > 0)
        await this.write(
          partition,
          missed.map((note) => ({ note })),
        )
      const { cluster } = this.#home.bus
      const old = new Map([[this.#topic, [{ partition: partition.index, offset: before }]]])
      await cluster.atLeaders(old, deleteRecords, (part) => ({ before: part, timeoutMs: patienceMs }))
    } catch (error) {
      if (!partition.isGone && !this.#home.isClosed())
        report(this.#home.bus, 'warn', `the lot of ${partition.name} could not be tidied`, toSluice(error, 'tidying'))
    } finally {
      this.#tidying.delete(partition)
    }
  }

  /** Resolves when something more of it was read, or {@link wake} is called. */
  someRead(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#reading.delete(wake)
        resolve()
      }
      this.#reading.add(wake)
    })
  }

  /** Resolves when everything that is in the lot now was read. */
  async readBack(partition: OwnedPartition): Promise<void> {
    if (partition.lotWritten) {
      partition.lotWritten = false
      partition.readBack = this.#readToEnd(partition)
    }
    await partition.readBack
  }

  async #readToEnd(partition: OwnedPartition): Promise<void> {
    const { cluster } = this.#home.bus
    const asked = new Map([[this.#topic, [{ partition: partition.index, timestampMs: latest }]]])
    const found = await cluster.persist(patienceMs, () => cluster.atLeaders(asked, listOffsets, (part) => part))
    const end = found.get(this.#topic)?.[0]?.offset ?? 0
    await this.readTo(partition, end, () => partition.isGone)
  }

  /** Resolves when it was read up to `end`, or `isVain`. Where it does not move for long a transaction may hang in it: that is ended. */
  async readTo(partition: OwnedPartition, end: number, isVain: () => boolean): Promise<void> {
    const { bus } = this.#home
    const { clock } = bus.cluster
    let movedMs = clock.monotonicMs()
    for (let at = partition.lotOffset; partition.lotOffset < end && !isVain() && !this.#home.isClosed(); ) {
      const looked = clock.setTimer(stuckMs, () => this.wake())
      await this.someRead()
      looked.cancel()
      if (partition.lotOffset !== at) {
        at = partition.lotOffset
        movedMs = clock.monotonicMs()
      } else if (clock.monotonicMs() - movedMs >= stuckMs) {
        await endHanging(bus, this.#topic, partition.index, stuckMs)
        movedMs = clock.monotonicMs()
      }
    }
  }

  /** Whoever waits looks again: something was read, or a partition is gone. */
  wake(): void {
    for (const resolve of this.#reading) resolve()
  }
}
