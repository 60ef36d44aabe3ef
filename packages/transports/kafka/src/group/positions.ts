/** How far a group had come in partitions that a member takes: what its last owner committed, and where logs begin and end. */
import type { KafkaBus } from '../kafka-bus.ts'
import { fetchOffsets } from '../protocol/requests/groups.ts'
import { earliest, latest, listOffsets, type OffsetAt } from '../protocol/requests/topics.ts'
import type { OwnedPartition } from './partition.ts'

/** What is known of a partition on the brokers. */
export interface Position {
  readonly partition: OwnedPartition
  readonly logStart: number
  readonly logEnd: number
  /** Watermark and metadata; undefined: nobody committed, or so long ago that the brokers forgot it. */
  readonly committed: readonly [offset: number, metadata: string] | undefined
  readonly lotStart: number
  readonly lotEnd: number
}

/** Asks the brokers; waits for transactions of owners that died (UNSTABLE_OFFSET_COMMIT passes). */
export async function readPositions(
  bus: KafkaBus,
  { channel, group }: { readonly channel: string; readonly group: string },
  taken: readonly OwnedPartition[],
): Promise<readonly Position[]> {
  const { cluster, names, registry } = bus
  const groupId = names.group(channel, group)
  const partitions = new Map([[names.channel(channel), taken.map(({ index }) => index)]])
  const committed = await cluster.coordinated('group', groupId, fetchOffsets, { group: groupId, partitions, stable: true }, (answer) => {
    const errors = [...answer.topics.values()].flat().map(({ error }) => error)
    return answer.error !== 0 ? answer.error : (errors.find((error) => error !== 0) ?? 0)
  })
  // All else after it: what a transaction of the one before moved into the lot, which he may have had made for it, is in the lot by
  // then. Asked at the same time the lot could still end before it, and its lane would be unknown here.
  await registry.sync()
  const hasLot = registry.state.group(channel, group)?.hasLot === true
  const [topic, lotTopic] = [names.channel(channel), names.lot(channel, group)]
  const at = async (of: string, timestampMs: number): Promise<readonly OffsetAt[]> => {
    const asked = new Map([[of, taken.map(({ index }) => ({ partition: index, timestampMs }))]])
    return (await cluster.atLeaders(asked, listOffsets, (part) => part)).get(of) ?? []
  }
  const [logStarts, logEnds, lotStarts, lotEnds] = await Promise.all([
    at(topic, earliest),
    at(topic, latest),
    hasLot ? at(lotTopic, earliest) : [],
    hasLot ? at(lotTopic, latest) : [],
  ])
  const offsetOf = (list: readonly OffsetAt[], index: number): number => list.find(({ partition }) => partition === index)?.offset ?? 0
  return taken.map((partition) => {
    const { index } = partition
    const known = committed.topics.get(topic)?.find((one) => one.partition === index)
    return {
      partition,
      logStart: offsetOf(logStarts, index),
      logEnd: offsetOf(logEnds, index),
      committed: known === undefined || known.offset < 0 ? undefined : [known.offset, known.metadata],
      lotStart: offsetOf(lotStarts, index),
      lotEnd: offsetOf(lotEnds, index),
    }
  })
}
