/** Requests about topics. */
import { type Api, type ByTopic, type PartitionError, readTopics, topics } from './api.ts'

/** A topic to be made. */
export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** −1: the broker's default. */
  readonly replication: number
  readonly configs: Readonly<Record<string, string>>
}

/** Makes topics. */
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

/** Deletes topics. */
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

/** Deletes what is below an offset. */
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

/** Time of {@link listOffsets}: the end (`earliest`: the beginning). */
export const latest: number = -1
/** See {@link latest}. */
export const earliest: number = -2

/** An offset of a partition. */
export interface OffsetAt extends PartitionError {
  readonly offset: number
}

/** The first offset of a time or later; −1: there is none. */
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
