/** How far a group is, as it was committed, with what administrators decided since. */
import { check } from '../errors.ts'
import { Progress } from '../group/progress.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import type { LotNote } from '../lot/lot-state.ts'
import { fetchOffsets } from '../protocol/requests/groups.ts'
import type { GroupEntry } from '../registry/state.ts'

/** A transaction whose owner died is given up by the broker within this, ms. */
const patienceMs = 40_000

/** One partition of a group. */
export interface PartitionView {
  readonly progress: Progress
  /** What is to be done to its lot by what was decided and is not carried out. */
  readonly lotNotes: readonly LotNote[]
}

/** By partition. */
export async function progressOf({ cluster, names }: KafkaBus, group: GroupEntry, partitions: number): Promise<readonly PartitionView[]> {
  const topic = names.channel(group.channel)
  const id = names.group(group.channel, group.group)
  const asked = new Map([[topic, Array.from({ length: partitions }, (_, index) => index)]])
  const { topics } = await cluster.persist(patienceMs, () =>
    cluster.coordinated('group', id, fetchOffsets, { group: id, partitions: asked, stable: true }, (answer) => {
      const errors = [...answer.topics.values()].flat().map(({ error }) => error)
      return answer.error !== 0 ? answer.error : (errors.find((error) => error !== 0) ?? 0)
    }),
  )
  const found = new Map(topics.get(topic)?.map((one) => [one.partition, one]))
  return Array.from({ length: partitions }, (_, index) => {
    const one = found.get(index)
    check(one?.error ?? 0, 'OffsetFetch')
    const progress = one === undefined || one.offset < 0 ? new Progress(group.starts[index] ?? 0) : Progress.read(one.offset, one.metadata)
    const lotNotes: LotNote[] = []
    for (const { number, change } of group.changes) {
      if (number <= progress.change) continue
      if (change.kind === 'again') {
        const [from, to] = change.ranges[index] ?? [0, 0]
        progress.undo(from, to)
        lotNotes.push({ kind: 'forget', from, to })
      } else {
        progress.done(progress.watermark, change.before[index] ?? 0)
        lotNotes.push({ kind: 'clear', all: false })
      }
    }
    return { progress, lotNotes }
  })
}
