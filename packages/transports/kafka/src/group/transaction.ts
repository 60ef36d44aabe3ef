/**
 * Records and offsets together, or neither: what moves a message to the parking lot settles it in the same transaction, and
 * the broker refuses it from a member that is not of the present generation. One transaction at a time.
 */
import { ConnectionEnded, check, codes, KafkaError, mayRetry, moved } from '../errors.ts'
import type { Cluster } from '../link/cluster.ts'
import { portions } from '../protocol/portions.ts'
import { type NewRecord, writeBatch } from '../protocol/records.ts'
import type { CommittedOffset, MemberOf } from '../protocol/requests/groups.ts'
import { produce } from '../protocol/requests/records.ts'
import { addOffsets, addPartitions, commitInTransaction, endTransaction, initProducer, type ProducerId } from '../protocol/requests/transactions.ts'

/** Longest time from the first request to the last; the broker gives up what takes longer, so that nobody waits for the dead, ms. */
const transactionMs = 10_000
const patienceMs = 30_000

/** What is done in one transaction. */
export interface Work {
  readonly lotTopic: string
  /** Records for the lot, by partition. */
  readonly records: ReadonlyMap<number, readonly NewRecord[]>
  readonly topic: string
  readonly offsets: readonly CommittedOffset[]
}

/** See the header of this file. */
export class TransactionProducer {
  readonly #cluster: Cluster
  readonly #id: string
  #producer: ProducerId | undefined
  /** By partition of the lot. */
  #sequences: Map<string, number> = new Map()

  constructor(cluster: Cluster, transactionalId: string) {
    this.#cluster = cluster
    this.#id = transactionalId
  }

  /**
   * Resolves when it is committed. Rejects with the KafkaError that says who refused (the group: ILLEGAL_GENERATION …), and then
   * nothing of it counts; tries again what passes.
   */
  async run(work: Work, member: () => MemberOf): Promise<void> {
    await this.#cluster.persist(patienceMs, async () => {
      try {
        await this.#try(work, member())
      } catch (error) {
        await this.#abort()
        // Fenced by its own time-out: it was given up, so once more under a new epoch.
        if (error instanceof KafkaError && renewed.includes(error.code)) throw new ConnectionEnded('the transaction took too long', error)
        throw error
      }
    })
  }

  async #try({ lotTopic, records, topic, offsets }: Work, member: MemberOf): Promise<void> {
    const cluster = this.#cluster
    this.#producer ??= await this.#init()
    const producer = this.#producer
    const of = { transactionalId: this.#id, producer }
    // What is committed is still being marked in its partitions for a moment (CONCURRENT_TRANSACTIONS): then again, nothing is lost by it.
    await cluster.persist(transactionMs, async () => {
      const partitions = new Map([[lotTopic, [...records.keys()]]])
      if (records.size > 0) await cluster.coordinated('transaction', this.#id, addPartitions, { ...of, partitions }, firstError)
      await cluster.coordinated('transaction', this.#id, addOffsets, { ...of, group: member.group }, ({ error }) => error)
    })
    await Promise.all([
      this.#write(lotTopic, records, producer),
      cluster.coordinated('group', member.group, commitInTransaction, { ...of, ...member, offsets: new Map([[topic, offsets]]) }, firstError),
    ])
    await this.#end(true)
  }

  async #write(topic: string, records: Work['records'], producer: ProducerId): Promise<void> {
    if (records.size === 0) return
    const nowMs = this.#cluster.clock.nowMs()
    const rounds: { readonly partition: number; readonly batch: Buffer }[][] = []
    for (const [partition, all] of records)
      for (const [round, list] of portions(all, sizeOf).entries()) {
        const name = `${topic}/${partition}`
        const sequence = this.#sequences.get(name) ?? 0
        this.#sequences.set(name, sequence + list.length)
        rounds[round] ??= []
        rounds[round]?.push({ partition, batch: writeBatch(list, nowMs, { ...producer, sequence, transactional: true }, 'none') })
      }
    // The same batch again is recognised by its number.
    for (const batches of rounds)
      await this.#cluster.persist(transactionMs, () =>
        this.#cluster.atLeaders(new Map([[topic, batches]]), produce, (part) => ({ transactionalId: this.#id, timeoutMs: transactionMs, batches: part })),
      )
  }

  // Asked again until it is answered: a commit that was decided stays decided.
  async #end(commit: boolean): Promise<void> {
    const { producer } = { producer: this.#producer as ProducerId }
    await this.#cluster.persist(patienceMs, () =>
      this.#cluster.coordinated('transaction', this.#id, endTransaction, { transactionalId: this.#id, producer, commit }, ({ error }) => error),
    )
  }

  async #init(): Promise<ProducerId> {
    const made = await this.#cluster.persist(patienceMs, () =>
      this.#cluster.coordinated('transaction', this.#id, initProducer, { transactionalId: this.#id, timeoutMs: transactionMs }, ({ error }) => error),
    )
    check(made.error, 'a transactional producer')
    this.#sequences = new Map()
    return { id: made.id, epoch: made.epoch }
  }

  // A new epoch ends whatever was open.
  async #abort(): Promise<void> {
    if (this.#producer === undefined || this.#cluster.isClosed) return
    this.#producer = undefined
    this.#producer = await this.#init().catch(() => undefined)
  }
}

function sizeOf({ headers, value }: NewRecord): number {
  return 256 + headers.reduce((sum, part) => sum + part.length + 4, (value?.length ?? 0) * (typeof value === 'string' ? 3 : 1))
}

const renewed: readonly number[] = [codes.invalidProducerEpoch, codes.producerFenced, codes.invalidTransactionState, codes.outOfOrderSequence, 49]

function firstError(answer: ReadonlyMap<string, readonly { readonly error: number }[]>): number {
  // One that passes or moved is only a consequence where another one says why.
  const errors = [...answer.values()].flat().flatMap(({ error }) => (error === 0 ? [] : [error]))
  return errors.find((error) => !moved(error) && !mayRetry(new KafkaError(error, ''))) ?? errors[0] ?? 0
}
