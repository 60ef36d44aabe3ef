/**
 * The requests of Kafka's protocol that this transport sends, each in one version: the newest without tagged fields where
 * there is one, so that brokers from 2.5 to 4.x understand it. What an error code in an answer means is its caller's.
 */
import type { Reader } from './reader.ts'
import type { AbortedTransaction } from './records.ts'
import type { Writer } from './writer.ts'

/** One kind of request. */
export interface Api<Ask, Answer> {
  readonly name: string
  readonly key: number
  readonly version: number
  /** Headers and bodies with tagged fields. */
  readonly flexible?: boolean
  write(to: Writer, ask: Ask): void
  read(from: Reader): Answer
}

/** Values of some partitions of some topics. */
export type ByTopic<T> = ReadonlyMap<string, readonly T[]>

export interface PartitionError {
  readonly partition: number
  readonly error: number
}

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

function topics<T>(to: Writer, by: ByTopic<T>, write: (item: T) => void): void {
  to.array([...by], ([name, items]) => to.string(name).array(items, write))
}

function readTopics<T>(from: Reader, read: () => T): Map<string, T[]> {
  return new Map(from.array(() => [from.string(), from.array(read)] as const))
}

const readError = (from: Reader): PartitionError => ({ partition: from.int32(), error: from.int16() })

// ---------------------------------------------------------------- cluster

export interface Metadata {
  readonly brokers: readonly BrokerAddress[]
  readonly controllerId: number
  readonly topics: readonly {
    readonly error: number
    readonly name: string
    readonly partitions: readonly { readonly partition: number; readonly leader: number }[]
  }[]
}

export const metadata: Api<{ readonly topics: readonly string[] }, Metadata> = {
  name: 'Metadata',
  key: 3,
  version: 5,
  write: (to, ask) => to.array(ask.topics, (name) => to.string(name)).bool(false),
  read(from) {
    from.int32()
    const brokers = from.array(() => {
      const broker = { nodeId: from.int32(), host: from.string(), port: from.int32() }
      from.nullableString()
      return broker
    })
    from.nullableString()
    const controllerId = from.int32()
    const list = from.array(() => {
      const [error, name] = [from.int16(), from.string()]
      from.bool()
      const partitions = from.array(() => {
        from.int16()
        const one = { partition: from.int32(), leader: from.int32() }
        for (let lists = 0; lists < 3; lists++) from.array(() => from.int32())
        return one
      })
      return { error, name, partitions }
    })
    return { brokers, controllerId, topics: list }
  },
}

export const findCoordinator: Api<
  { readonly key: string; readonly kind: 'group' | 'transaction' },
  { readonly error: number; readonly broker: BrokerAddress }
> = {
  name: 'FindCoordinator',
  key: 10,
  version: 2,
  write: (to, ask) => to.string(ask.key).int8(ask.kind === 'group' ? 0 : 1),
  read(from) {
    from.int32()
    const error = from.int16()
    from.nullableString()
    return { error, broker: { nodeId: from.int32(), host: from.string(), port: from.int32() } }
  },
}

export const apiVersions: Api<undefined, { readonly error: number; readonly versions: ReadonlyMap<number, number> }> = {
  name: 'ApiVersions',
  key: 18,
  version: 0,
  write: () => {},
  read(from) {
    const error = from.int16()
    return {
      error,
      versions: new Map(
        from.array(() => {
          const key = from.int16()
          from.int16()
          return [key, from.int16()] as const
        }),
      ),
    }
  },
}

export const describeConfigs: Api<
  { readonly kind: 'topic' | 'broker'; readonly resource: string; readonly names: readonly string[] },
  { readonly error: number; readonly values: ReadonlyMap<string, string | null> }
> = {
  name: 'DescribeConfigs',
  key: 32,
  version: 1,
  write: (to, ask) =>
    to
      .array([ask], ({ kind, resource, names }) =>
        to
          .int8(kind === 'topic' ? 2 : 4)
          .string(resource)
          .array(names, (name) => to.string(name)),
      )
      .bool(false),
  read(from) {
    from.int32()
    let error = 0
    const values = new Map<string, string | null>()
    from.array(() => {
      error = from.int16()
      from.nullableString()
      from.int8()
      from.string()
      from.array(() => {
        values.set(from.string(), from.nullableString())
        from.bool()
        from.int8()
        from.bool()
        from.array(() => {
          from.string()
          from.nullableString()
          from.int8()
        })
      })
    })
    return { error, values }
  },
}

export const saslHandshake: Api<{ readonly mechanism: string }, { readonly error: number; readonly mechanisms: readonly string[] }> = {
  name: 'SaslHandshake',
  key: 17,
  version: 1,
  write: (to, ask) => to.string(ask.mechanism),
  read: (from) => ({ error: from.int16(), mechanisms: from.array(() => from.string()) }),
}

export const saslAuthenticate: Api<{ readonly bytes: Uint8Array }, { readonly error: number; readonly bytes: Buffer }> = {
  name: 'SaslAuthenticate',
  key: 36,
  version: 1,
  write: (to, ask) => to.bytes(ask.bytes),
  read(from) {
    const error = from.int16()
    from.nullableString()
    const bytes = from.bytes()
    from.int64()
    return { error, bytes }
  },
}

// ---------------------------------------------------------------- topics

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** −1: the broker's default. */
  readonly replication: number
  readonly configs: Readonly<Record<string, string>>
}

export const createTopics: Api<
  { readonly topics: readonly NewTopic[]; readonly timeoutMs: number },
  readonly { readonly name: string; readonly error: number; readonly message: string | null }[]
> = {
  name: 'CreateTopics',
  key: 19,
  version: 4,
  write: (to, ask) =>
    to
      .array(ask.topics, ({ name, partitions, replication, configs }) =>
        to
          .string(name)
          .int32(partitions)
          .int16(replication)
          .int32(0)
          .array(Object.entries(configs), ([key, value]) => to.string(key).string(value)),
      )
      .int32(ask.timeoutMs)
      .bool(false),
  read(from) {
    from.int32()
    return from.array(() => ({ name: from.string(), error: from.int16(), message: from.nullableString() }))
  },
}

export const deleteTopics: Api<
  { readonly names: readonly string[]; readonly timeoutMs: number },
  readonly { readonly name: string; readonly error: number }[]
> = {
  name: 'DeleteTopics',
  key: 20,
  version: 3,
  write: (to, ask) => to.array(ask.names, (name) => to.string(name)).int32(ask.timeoutMs),
  read(from) {
    from.int32()
    return from.array(() => ({ name: from.string(), error: from.int16() }))
  },
}

export const deleteRecords: Api<
  { readonly before: ByTopic<{ readonly partition: number; readonly offset: number }>; readonly timeoutMs: number },
  ReadonlyMap<string, readonly PartitionError[]>
> = {
  name: 'DeleteRecords',
  key: 21,
  version: 1,
  write(to, ask) {
    topics(to, ask.before, ({ partition, offset }) => to.int32(partition).int64(offset))
    to.int32(ask.timeoutMs)
  },
  read(from) {
    from.int32()
    return readTopics(from, () => {
      const partition = from.int32()
      from.int64()
      return { partition, error: from.int16() }
    })
  },
}

/** Time of {@link listOffsets}: the end, the beginning. */
export const latest: number = -1
export const earliest: number = -2

export interface OffsetAt extends PartitionError {
  readonly offset: number
}

export const listOffsets: Api<ByTopic<{ readonly partition: number; readonly timestampMs: number }>, ReadonlyMap<string, readonly OffsetAt[]>> = {
  name: 'ListOffsets',
  key: 2,
  version: 3,
  write(to, ask) {
    to.int32(-1).int8(0)
    topics(to, ask, ({ partition, timestampMs }) => to.int32(partition).int64(timestampMs))
  },
  read(from) {
    from.int32()
    return readTopics(from, () => {
      const [partition, error] = [from.int32(), from.int16()]
      from.int64()
      return { partition, error, offset: from.int64() }
    })
  },
}

// ---------------------------------------------------------------- writing and reading

export interface ProduceAsk {
  readonly transactionalId: string | null
  readonly timeoutMs: number
  readonly batches: ByTopic<{ readonly partition: number; readonly batch: Uint8Array }>
}

export interface Produced extends PartitionError {
  readonly baseOffset: number
}

export const produce: Api<ProduceAsk, ReadonlyMap<string, readonly Produced[]>> = {
  name: 'Produce',
  key: 0,
  version: 7,
  write(to, ask) {
    to.string(ask.transactionalId).int16(-1).int32(ask.timeoutMs)
    topics(to, ask.batches, ({ partition, batch }) => to.int32(partition).bytes(batch))
  },
  read: (from) =>
    readTopics(from, () => {
      const one = { partition: from.int32(), error: from.int16(), baseOffset: from.int64() }
      from.int64()
      from.int64()
      return one
    }),
}

export interface FetchAsk {
  readonly waitMs: number
  readonly bytesMax: number
  readonly partitions: ByTopic<{ readonly partition: number; readonly offset: number; readonly bytesMax: number }>
}

export interface Fetched extends PartitionError {
  readonly highWatermark: number
  readonly logStart: number
  readonly aborted: readonly AbortedTransaction[]
  readonly batches: Buffer
}

/** Only what is committed. */
export const fetch: Api<FetchAsk, { readonly error: number; readonly topics: ReadonlyMap<string, readonly Fetched[]> }> = {
  name: 'Fetch',
  key: 1,
  version: 11,
  write(to, ask) {
    to.int32(-1).int32(ask.waitMs).int32(1).int32(ask.bytesMax).int8(1).int32(0).int32(-1)
    topics(to, ask.partitions, ({ partition, offset, bytesMax }) => to.int32(partition).int32(-1).int64(offset).int64(-1).int32(bytesMax))
    to.int32(0).string('')
  },
  read(from) {
    from.int32()
    const error = from.int16()
    from.int32()
    return {
      error,
      topics: readTopics(from, () => {
        const [partition, failed, highWatermark] = [from.int32(), from.int16(), from.int64()]
        from.int64()
        const logStart = from.int64()
        const aborted = from.array(() => ({ producerId: from.big(), firstOffset: from.int64() }))
        from.int32()
        return { partition, error: failed, highWatermark, logStart, aborted, batches: from.bytes() }
      }),
    }
  },
}

// ---------------------------------------------------------------- groups

export interface JoinAsk {
  readonly group: string
  readonly sessionMs: number
  readonly rebalanceMs: number
  /** '' the first time. */
  readonly member: string
  readonly type: string
  readonly protocol: string
  readonly metadata: Uint8Array
}

export interface Joined {
  readonly error: number
  readonly generation: number
  readonly leader: string
  readonly member: string
  readonly members: readonly { readonly member: string; readonly metadata: Buffer }[]
}

export const joinGroup: Api<JoinAsk, Joined> = {
  name: 'JoinGroup',
  key: 11,
  version: 5,
  write: (to, ask) =>
    to
      .string(ask.group)
      .int32(ask.sessionMs)
      .int32(ask.rebalanceMs)
      .string(ask.member)
      .string(null)
      .string(ask.type)
      .array([ask], ({ protocol, metadata: bytes }) => to.string(protocol).bytes(bytes)),
  read(from) {
    from.int32()
    const [error, generation] = [from.int16(), from.int32()]
    from.nullableString()
    const [leader, member] = [from.string(), from.string()]
    const members = from.array(() => {
      const id = from.string()
      from.nullableString()
      return { member: id, metadata: from.bytes() }
    })
    return { error, generation, leader, member, members }
  },
}

/** Who speaks, and of which generation. */
export interface MemberOf {
  readonly group: string
  readonly generation: number
  readonly member: string
}

export const syncGroup: Api<
  MemberOf & { readonly plan: readonly { readonly member: string; readonly assignment: Uint8Array }[] },
  { readonly error: number; readonly assignment: Buffer }
> = {
  name: 'SyncGroup',
  key: 14,
  version: 3,
  write: (to, ask) =>
    to
      .string(ask.group)
      .int32(ask.generation)
      .string(ask.member)
      .string(null)
      .array(ask.plan, ({ member, assignment }) => to.string(member).bytes(assignment)),
  read(from) {
    from.int32()
    return { error: from.int16(), assignment: from.bytes() }
  },
}

export const heartbeat: Api<MemberOf, { readonly error: number }> = {
  name: 'Heartbeat',
  key: 12,
  version: 3,
  write: (to, ask) => to.string(ask.group).int32(ask.generation).string(ask.member).string(null),
  read(from) {
    from.int32()
    return { error: from.int16() }
  },
}

export const leaveGroup: Api<{ readonly group: string; readonly member: string }, { readonly error: number }> = {
  name: 'LeaveGroup',
  key: 13,
  version: 3,
  write: (to, ask) => to.string(ask.group).array([ask.member], (member) => to.string(member).string(null)),
  read(from) {
    from.int32()
    return { error: from.int16() }
  },
}

/** What is committed for one partition. */
export interface CommittedOffset {
  readonly partition: number
  /** −1: nothing. */
  readonly offset: number
  readonly metadata: string
}

export const commitOffsets: Api<MemberOf & { readonly offsets: ByTopic<CommittedOffset> }, ReadonlyMap<string, readonly PartitionError[]>> = {
  name: 'OffsetCommit',
  key: 8,
  version: 7,
  write(to, ask) {
    to.string(ask.group).int32(ask.generation).string(ask.member).string(null)
    topics(to, ask.offsets, ({ partition, offset, metadata: text }) => to.int32(partition).int64(offset).int32(-1).string(text))
  },
  read(from) {
    from.int32()
    return readTopics(from, () => readError(from))
  },
}

/** Waits (by an error that passes) for transactions that are not decided yet. */
export const fetchOffsets: Api<
  { readonly group: string; readonly partitions: ReadonlyMap<string, readonly number[]>; readonly stable: boolean },
  { readonly error: number; readonly topics: ReadonlyMap<string, readonly (CommittedOffset & PartitionError)[]> }
> = {
  name: 'OffsetFetch',
  key: 9,
  version: 7,
  flexible: true,
  write: (to, ask) =>
    to
      .compactString(ask.group)
      .compactArray([...ask.partitions], ([name, list]) =>
        to
          .compactString(name)
          .compactArray(list, (partition) => to.int32(partition))
          .tags(),
      )
      .bool(ask.stable)
      .tags(),
  read(from) {
    from.int32()
    const list = from.compactArray(() => {
      const name = from.compactString()
      const partitions = from.compactArray(() => {
        const [partition, offset] = [from.int32(), from.int64()]
        from.int32()
        const one = { partition, offset, metadata: from.compactNullableString() ?? '', error: from.int16() }
        from.tags()
        return one
      })
      from.tags()
      return [name, partitions] as const
    })
    const error = from.int16()
    from.tags()
    return { error, topics: new Map(list) }
  },
}

export const describeGroups: Api<
  { readonly groups: readonly string[] },
  readonly { readonly error: number; readonly group: string; readonly state: string; readonly members: number }[]
> = {
  name: 'DescribeGroups',
  key: 15,
  version: 4,
  write: (to, ask) => to.array(ask.groups, (group) => to.string(group)).bool(false),
  read(from) {
    from.int32()
    return from.array(() => {
      const [error, group, state] = [from.int16(), from.string(), from.string()]
      from.string()
      from.string()
      const { length } = from.array(() => {
        from.string()
        from.nullableString()
        from.string()
        from.string()
        from.bytes()
        from.bytes()
      })
      from.int32()
      return { error, group, state, members: length }
    })
  },
}

export const deleteGroups: Api<{ readonly groups: readonly string[] }, readonly { readonly group: string; readonly error: number }[]> = {
  name: 'DeleteGroups',
  key: 42,
  version: 1,
  write: (to, ask) => to.array(ask.groups, (group) => to.string(group)),
  read(from) {
    from.int32()
    return from.array(() => ({ group: from.string(), error: from.int16() }))
  },
}

// ---------------------------------------------------------------- producers and transactions

/** A producer as the broker knows it. */
export interface ProducerId {
  readonly id: bigint
  readonly epoch: number
}

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
