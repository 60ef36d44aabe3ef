/** Requests about transactions that nobody ends: what a partition knows of its producers, and the marker that ends one. */
import type { Api } from './api.ts'

/** A producer, as a partition knows it. */
export interface ActiveProducer {
  readonly id: bigint
  readonly epoch: number
  readonly coordinatorEpoch: number
  /** When it wrote last, ms since the epoch. */
  readonly lastMs: number
  /** Where its open transaction begins; −1: it has none. */
  readonly openFrom: number
}

/** Producers of one partition. */
export const describeProducers: Api<
  { readonly topic: string; readonly partition: number },
  { readonly error: number; readonly producers: readonly ActiveProducer[] }
> = {
  name: 'DescribeProducers',
  key: 61,
  version: 0,
  flexible: true,
  write: (to, { topic, partition }) =>
    to
      .compactArray([topic], (name) =>
        to
          .compactString(name)
          .compactArray([partition], (index) => to.int32(index))
          .tags(),
      )
      .tags(),
  read(from) {
    from.int32()
    let error = 0
    const producers: ActiveProducer[] = []
    from.compactArray(() => {
      from.compactString()
      from.compactArray(() => {
        from.int32()
        error = from.int16()
        from.compactNullableString()
        from.compactArray(() => {
          const [id, epoch] = [from.big(), from.int32()]
          from.int32()
          producers.push({ id, epoch, lastMs: from.int64(), coordinatorEpoch: from.int32(), openFrom: from.int64() })
          from.tags()
        })
        from.tags()
      })
      from.tags()
    })
    from.tags()
    return { error, producers }
  },
}

/** Ends a producer's transaction in one partition, as committed. */
export const commitMarker: Api<{ readonly topic: string; readonly partition: number; readonly producer: ActiveProducer }, { readonly error: number }> = {
  name: 'WriteTxnMarkers',
  key: 27,
  version: 1,
  flexible: true,
  write: (to, { topic, partition, producer }) =>
    to
      .compactArray([producer], ({ id, epoch, coordinatorEpoch }) =>
        to
          .big(id)
          .int16(epoch)
          .bool(true)
          .compactArray([topic], (name) =>
            to
              .compactString(name)
              .compactArray([partition], (index) => to.int32(index))
              .tags(),
          )
          .int32(Math.max(0, coordinatorEpoch))
          .tags(),
      )
      .tags(),
  read(from) {
    let error = 0
    from.compactArray(() => {
      from.big()
      from.compactArray(() => {
        from.compactString()
        from.compactArray(() => {
          from.int32()
          error = from.int16()
          from.tags()
        })
        from.tags()
      })
      from.tags()
    })
    from.tags()
    return { error }
  },
}
