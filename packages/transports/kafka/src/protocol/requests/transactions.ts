/** Requests of producers, and of transactions. */
import { type Api, type ByTopic, type PartitionError, readError, readTopics, topics } from './api.ts'
import type { CommittedOffset, MemberOf } from './groups.ts'

/** A producer as the broker knows it. */
export interface ProducerId {
  readonly id: bigint
  readonly epoch: number
}

/** A new producer, or a new epoch of a transactional one, which ends its open transaction. */
export const initProducer: Api<{ readonly transactionalId: string | null; readonly timeoutMs: number }, ProducerId & { readonly error: number }> = {
  name: 'InitProducerId',
  key: 22,
  version: 1,
  write: (to, ask) => to.string(ask.transactionalId).int32(ask.timeoutMs),
  read(from) {
    from.int32()
    return { error: from.int16(), id: from.big(), epoch: from.int16() }
  },
}

/** Who has a transaction open. */
export interface TransactionOf {
  readonly transactionalId: string
  readonly producer: ProducerId
}

/** These partitions take part in the transaction. */
export const addPartitions: Api<TransactionOf & { readonly partitions: ByTopic<number> }, ReadonlyMap<string, readonly PartitionError[]>> = {
  name: 'AddPartitionsToTxn',
  key: 24,
  version: 1,
  write(to, { transactionalId, producer, partitions }) {
    to.string(transactionalId).big(producer.id).int16(producer.epoch)
    topics(to, partitions, (partition) => to.int32(partition))
  },
  read(from) {
    from.int32()
    return readTopics(from, () => readError(from))
  },
}

/** A group's offsets take part in the transaction. */
export const addOffsets: Api<TransactionOf & { readonly group: string }, { readonly error: number }> = {
  name: 'AddOffsetsToTxn',
  key: 25,
  version: 1,
  write: (to, { transactionalId, producer, group }) => to.string(transactionalId).big(producer.id).int16(producer.epoch).string(group),
  read(from) {
    from.int32()
    return { error: from.int16() }
  },
}

/** Commits offsets when the transaction is committed, refused unless the generation is the present one. */
export const commitInTransaction: Api<
  TransactionOf & MemberOf & { readonly offsets: ByTopic<CommittedOffset> },
  ReadonlyMap<string, readonly PartitionError[]>
> = {
  name: 'TxnOffsetCommit',
  key: 28,
  version: 3,
  flexible: true,
  write: (to, { transactionalId, producer, group, generation, member, offsets }) =>
    to
      .compactString(transactionalId)
      .compactString(group)
      .big(producer.id)
      .int16(producer.epoch)
      .int32(generation)
      .compactString(member)
      .compactString(null)
      .compactArray([...offsets], ([name, list]) =>
        to
          .compactString(name)
          .compactArray(list, ({ partition, offset, metadata: text }) => to.int32(partition).int64(offset).int32(-1).compactString(text).tags())
          .tags(),
      )
      .tags(),
  read(from) {
    from.int32()
    const list = from.compactArray(() => {
      const name = from.compactString()
      const partitions = from.compactArray(() => {
        const one = readError(from)
        from.tags()
        return one
      })
      from.tags()
      return [name, partitions] as const
    })
    from.tags()
    return new Map(list)
  },
}

/** Commits or gives up. */
export const endTransaction: Api<TransactionOf & { readonly commit: boolean }, { readonly error: number }> = {
  name: 'EndTxn',
  key: 26,
  version: 1,
  write: (to, { transactionalId, producer, commit }) => to.string(transactionalId).big(producer.id).int16(producer.epoch).bool(commit),
  read(from) {
    from.int32()
    return { error: from.int16() }
  },
}
