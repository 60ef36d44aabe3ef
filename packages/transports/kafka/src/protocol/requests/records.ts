/** Writing and reading records. */

import type { AbortedTransaction } from '../records.ts'
import { type Api, type ByTopic, type PartitionError, readTopics, topics } from './api.ts'

/** Batches to be written, and in which transaction. */
export interface ProduceAsk {
  readonly transactionalId: string | null
  readonly timeoutMs: number
  readonly batches: ByTopic<{ readonly partition: number; readonly batch: Uint8Array }>
}

/** Where a batch was written. */
export interface Produced extends PartitionError {
  readonly baseOffset: number
}

/** Writes batches; answered when all replicas that are in sync have them. */
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

/** What to read, and how long to wait for it. */
export interface FetchAsk {
  readonly waitMs: number
  readonly bytesMax: number
  readonly partitions: ByTopic<{ readonly partition: number; readonly offset: number; readonly bytesMax: number }>
}

/** What was read of one partition. */
export interface Fetched extends PartitionError {
  readonly highWatermark: number
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
        from.int64()
        const aborted = from.array(() => ({ producerId: from.big(), firstOffset: from.int64() }))
        from.int32()
        return { partition, error: failed, highWatermark, aborted, batches: from.bytes() }
      }),
    }
  },
}
