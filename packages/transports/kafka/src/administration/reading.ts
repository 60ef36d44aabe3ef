/** Reading parts of topics once, for administrators. */
import { check, codes, moved } from '../errors.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import type { Cluster } from '../link/cluster.ts'
import { type KafkaRecord, readBatches } from '../protocol/records.ts'
import { fetch } from '../protocol/requests/records.ts'
import { earliest, listOffsets } from '../protocol/requests/topics.ts'

/** A transaction whose owner died is given up by the broker within this, ms. */
const patienceMs = 40_000
const partitionBytesMax = 1024 * 1024

/** Offsets of a topic's partitions at a time (or {@link latest}, {@link earliest}), by partition; −1: nothing is as late. */
export async function offsetsAt(
  { cluster }: Pick<KafkaBus, 'cluster'>,
  topic: string,
  partitions: number,
  timestampMs: number,
  isVain?: () => boolean,
): Promise<number[]> {
  const asked = new Map([[topic, Array.from({ length: partitions }, (_, partition) => ({ partition, timestampMs }))]])
  const found = await cluster.persist(patienceMs, () => cluster.atLeaders(asked, listOffsets, (part) => part), isVain)
  const offsets: number[] = []
  for (const { partition, offset } of found.get(topic) ?? []) offsets[partition] = offset
  return offsets
}

/** Where to read a partition from, and to. */
export interface Stretch {
  readonly partition: number
  from: number
  readonly to: number
}

/**
 * Reads stretches until `take` returns false for one, or they are read; committed records only. What is in a transaction
 * that is not decided yet is waited for. What was deleted meanwhile is passed over, unless `mustHaveAll`: then it rejects with
 * OFFSET_OUT_OF_RANGE.
 */
export async function readStretches(
  { cluster }: KafkaBus,
  topic: string,
  stretches: readonly Stretch[],
  take: (partition: number, records: readonly KafkaRecord[], nextOffset: number) => boolean,
  { isVain, mustHaveAll = false }: { readonly isVain?: () => boolean; readonly mustHaveAll?: boolean } = {},
): Promise<void> {
  let open = stretches.filter(({ from, to }) => from < to)
  const untilMs = cluster.clock.monotonicMs() + patienceMs
  while (open.length > 0) {
    const stopped = new Set<Stretch>()
    await cluster.persist(
      patienceMs,
      async () => {
        for (const [leader, topics] of await cluster.byLeader(new Map([[topic, open]]))) {
          const mine = topics.get(topic) ?? []
          const partitions = new Map([[topic, mine.map(({ partition, from }) => ({ partition, offset: from, bytesMax: partitionBytesMax }))]])
          const answer = await (await cluster.node(leader)).call(fetch, { waitMs: 20, bytesMax: 8 * partitionBytesMax, partitions })
          for (const fetched of answer.topics.get(topic) ?? []) {
            const stretch = mine.find(({ partition }) => partition === fetched.partition)
            if (stretch === undefined) continue
            if (moved(fetched.error)) cluster.forgetLeaders(topic)
            if (fetched.error === codes.offsetOutOfRange && !mustHaveAll) {
              const start = await startOf(cluster, topic, stretch.partition)
              // Not deleted, but another, shorter log: it has nothing of this.
              if (start <= stretch.from) stopped.add(stretch)
              stretch.from = Math.max(start, stretch.from)
              continue
            }
            check(fetched.error, `reading ${topic}`)
            const { records, nextOffset } = readBatches(fetched.batches, stretch.from, fetched.aborted)
            if (nextOffset === stretch.from) continue
            stretch.from = nextOffset
            if (!take(stretch.partition, records, nextOffset)) stopped.add(stretch)
          }
        }
      },
      isVain,
    )
    open = open.filter((stretch) => stretch.from < stretch.to && !stopped.has(stretch))
    if (open.length > 0 && cluster.clock.monotonicMs() > untilMs) check(7, `reading ${topic}`)
  }
}

async function startOf(cluster: Cluster, topic: string, partition: number): Promise<number> {
  const found = await cluster.atLeaders(new Map([[topic, [{ partition, timestampMs: earliest }]]]), listOffsets, (part) => part)
  return found.get(topic)?.[0]?.offset ?? 0
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
