/**
 * What a member writes: one write at a time. Plain progress is an offset commit that states the generation; what also
 * changes the lot is a transaction of both. Whoever is not of the present generation any more is refused by the broker.
 */
import { type Delivery, leaseLost, type SluiceError } from '@sluice/core/transport'
import { ConnectionEnded, codes, KafkaError, mayRetry, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import { lotRecord } from '../lot/lot-record.ts'
import type { LotMessage, LotNote } from '../lot/lot-state.ts'
import type { NewRecord } from '../protocol/records.ts'
import { type CommittedOffset, commitOffsets } from '../protocol/requests/groups.ts'
import type { Membership } from './membership.ts'
import type { KafkaDelivery, OwnedPartition } from './partition.ts'
import { TransactionProducer } from './transaction.ts'

/** Acceptances gather for so long before they are committed, ms. */
const gatherMs = 10
/**
 * So many offsets beyond what was read are claimed with each commit: what comes next goes to its handler at once. With a commit before
 * it a message at 2,000/s was 0.7 ms slower. Whoever takes over suspects so many more at most, and none that came later.
 */
const claimAhead = 128
const patienceMs = 30_000

/** A note for the lot, with the message that it is about. */
export interface LotWrite {
  readonly note: LotNote
  readonly message?: LotMessage
}

/** Something that is written whole, or not at all. */
interface Atomic {
  readonly partition: OwnedPartition
  readonly notes: readonly LotWrite[]
  /** Deliveries that are settled by it. */
  readonly settles: readonly KafkaDelivery[]
  /** Further notes, made when nothing else is being written; what comes of it goes first. */
  readonly prepare: (() => Promise<readonly LotWrite[]>) | undefined
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** What settling needs of its consumer. */
export interface SettlementHome {
  readonly bus: KafkaBus
  readonly membership: Membership
  readonly topic: string
  readonly lotTopic: string
  readonly transactionalId: string
  partitions(): Iterable<OwnedPartition>
  /** Claims were written: more may be handed out. */
  claimed(): void
  settlementLost(deliveries: readonly Delivery[], error: SluiceError): void
}

/** See the header of this file. */
export class Settlement {
  readonly #home: SettlementHome
  readonly #transactions: TransactionProducer
  #atomics: Atomic[] = []
  #running: Promise<void> | undefined
  #gathering: Promise<void> | undefined
  #closed = false

  constructor(home: SettlementHome) {
    this.#home = home
    this.#transactions = new TransactionProducer(home.bus.cluster, home.transactionalId)
  }

  /** Something is to be written soon. */
  later(): void {
    if (this.#running !== undefined || this.#gathering !== undefined || this.#closed) return
    this.#gathering = this.#home.bus.cluster.pause(gatherMs).then(() => {
      this.#gathering = undefined
      void this.now()
    })
  }

  /** Resolves when everything that is to be written now is written, or reported lost. */
  async now(): Promise<void> {
    // A write that is under way may have begun too early for what is waited for.
    await this.#running
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      // Accepted in the very turn in which it found nothing more.
      if (this.#due([]).length > 0) this.later()
    })
    await this.#running
  }

  /** Writes notes and settles deliveries of a partition, in one. Rejects with LEASE_LOST when the partition is gone. */
  atomic(
    partition: OwnedPartition,
    notes: readonly LotWrite[],
    settles: readonly KafkaDelivery[] = [],
    prepare?: () => Promise<readonly LotWrite[]>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#atomics.push({ partition, notes, settles, prepare, resolve, reject })
      void this.now()
    })
  }

  close(): void {
    this.#closed = true
  }

  /** One write, and further ones for what cannot wait; what is accepted meanwhile gathers. */
  async #run(): Promise<void> {
    do {
      const atomics = this.#atomics.splice(0)
      const gone = atomics.filter(({ partition, settles }) => partition.isGone || settles.some(({ state }) => state !== 'held'))
      for (const { reject } of gone) reject(leaseLost())
      const kept = atomics.filter((atomic) => !gone.includes(atomic))
      const due = this.#due(kept)
      if (due.length === 0) return
      await this.#write(due, kept)
    } while (this.#atomics.length > 0 || (!this.#closed && this.#isUrgent()))
  }

  #isUrgent(): boolean {
    for (const partition of this.#home.partitions()) if (partition.needsClaim) return true
    return false
  }

  /** Partitions of which something is to be written. */
  #due(atomics: readonly Atomic[]): OwnedPartition[] {
    return [...this.#home.partitions()].filter(
      (partition) =>
        !partition.isGone && (partition.dirty || partition.out.length > 0 || partition.needsClaim || atomics.some((one) => one.partition === partition)),
    )
  }

  async #write(due: readonly OwnedPartition[], atomics: readonly Atomic[]): Promise<void> {
    const accepted = new Map(due.map((partition) => [partition, partition.accepted.splice(0)]))
    const out = new Map(due.map((partition) => [partition, partition.out.splice(0)]))
    const claims = new Map<OwnedPartition, number>()
    const records = new Map<number, NewRecord[]>()
    const put = (partition: OwnedPartition, { note, message }: LotWrite): void => {
      const list = records.get(partition.index) ?? []
      records.set(partition.index, list)
      list.push(lotRecord(note, message))
    }
    for (const { partition, prepare } of atomics) for (const write of (await prepare?.().catch(() => [])) ?? []) put(partition, write)
    for (const { partition, notes, settles } of atomics) {
      for (const write of notes) put(partition, write)
      for (const delivery of settles) {
        partition.settle(delivery, 'settled')
        if (delivery.entryId === undefined) partition.progress.done(delivery.offset)
      }
    }
    for (const [partition, deliveries] of out)
      if (deliveries.length > 0) put(partition, { note: { kind: 'out', ids: deliveries.flatMap(({ entryId }) => entryId ?? []) } })
    for (const partition of due) {
      partition.dirty = false
      // Whoever hands over has nothing in hand any more.
      claims.set(partition, partition.state === 'owned' ? partition.offset + claimAhead : 0)
    }
    const offsets = (): CommittedOffset[] =>
      due
        .filter(({ isGone }) => !isGone)
        .map((partition) => {
          const { progress } = partition
          progress.claimed = Math.max(progress.watermark, claims.get(partition) ?? 0)
          return { partition: partition.index, offset: progress.watermark, metadata: progress.metadata() }
        })
    const failure = await this.#persist(due, records, offsets)
    for (const partition of due) {
      if (partition.isGone || failure !== undefined) {
        const lost = [...(accepted.get(partition) ?? []), ...(out.get(partition) ?? [])]
        if (lost.length > 0) this.#home.settlementLost(lost, failure ?? leaseLost())
      } else partition.claimed = Math.max(partition.claimed, claims.get(partition) ?? 0)
      if (records.has(partition.index)) partition.lotWritten = true
    }
    for (const { partition, resolve, reject } of atomics)
      if (failure !== undefined) reject(failure)
      else if (partition.isGone) reject(leaseLost())
      else resolve()
    this.#home.claimed()
  }

  /** Writes until it is written, or nothing of it is ours any more. Resolves to what went wrong for good. */
  async #persist(
    due: readonly OwnedPartition[],
    records: ReadonlyMap<number, readonly NewRecord[]>,
    offsets: () => CommittedOffset[],
  ): Promise<SluiceError | undefined> {
    const { bus, membership } = this.#home
    const { cluster } = bus
    for (;;) {
      const left = due.filter(({ isGone }) => !isGone)
      if (left.length === 0) return undefined
      const { generation } = membership.member
      const list = offsets()
      const mine = new Map([...records].filter(([index]) => left.some((partition) => partition.index === index)))
      try {
        if (mine.size > 0)
          await this.#transactions.run({ lotTopic: this.#home.lotTopic, records: mine, topic: this.#home.topic, offsets: list }, () => membership.member)
        else await cluster.persist(patienceMs, () => this.#commit(list))
        return undefined
      } catch (error) {
        if (cluster.isClosed) return toSluice(new ConnectionEnded('the connection was closed'), 'settling')
        if (error instanceof KafkaError && error.code === codes.rebalanceInProgress) {
          membership.nudge()
          await cluster.pause(20)
          await membership.settled(-2)
        } else if (error instanceof KafkaError && stale.includes(error.code)) await membership.settled(generation)
        else if (mayRetry(error)) await cluster.pause(100)
        else {
          const failure = toSluice(error, 'settling')
          report(bus, 'error', 'what was done could not be written down', failure)
          await cluster.pause(1_000)
          return failure
        }
      }
    }
  }

  async #commit(list: readonly CommittedOffset[]): Promise<void> {
    const { bus, membership, topic } = this.#home
    const member = membership.member
    await bus.cluster.coordinated('group', member.group, commitOffsets, { ...member, offsets: new Map([[topic, list]]) }, (answer) => {
      const errors = [...answer.values()].flat().map(({ error }) => error)
      return errors.find((error) => stale.includes(error)) ?? errors.find((error) => error !== 0) ?? 0
    })
  }
}

const stale: readonly number[] = [codes.illegalGeneration, codes.unknownMember, codes.rebalanceInProgress]
