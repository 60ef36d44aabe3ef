/** Figures of a group, as the brokers know them. */
import type { GroupStatus } from '@sluice/core/transport'
import type { KafkaBus } from '../kafka-bus.ts'
import { describeGroups } from '../protocol/requests/groups.ts'
import { earliest, latest } from '../protocol/requests/topics.ts'
import type { GroupEntry } from '../registry/state.ts'
import type { LotView } from './lot-view.ts'
import { progressOf } from './progress-view.ts'
import { offsetsAt, readStretches, type Stretch, sum } from './reading.ts'

const patienceMs = 15_000
/** What a broker says of a group that never had a member, or that it forgot. */
const groupUnknown = 69

/** `inFlight`: as far as this process knows. */
export async function groupStatus(
  bus: KafkaBus,
  entry: GroupEntry,
  { topic, partitions }: { readonly topic: string; readonly partitions: number },
  lotOf: () => Promise<LotView>,
  inFlight: number,
): Promise<GroupStatus> {
  const { channel, group, paused } = entry
  // Progress before ends and lots: a message that moves from the one to the other meanwhile is then counted twice, never not at all.
  const views = await progressOf(bus, entry, partitions)
  const [ends, starts, lots, consumers] = await Promise.all([
    offsetsAt(bus, topic, partitions, latest),
    offsetsAt(bus, topic, partitions, earliest),
    lotOf(),
    membersOf(bus, entry),
  ])
  const states = lots.with(views.map(({ lotNotes }) => lotNotes))
  const lanes = states.flatMap((state) => [...state.lanes.values()])
  const waiting = views.map(({ progress }, i) => {
    const from = Math.max(progress.watermark, starts[i] ?? 0)
    return { partition: i, from, to: ends[i] ?? 0, count: Math.max(0, (ends[i] ?? 0) - from - progress.doneBeyond) }
  })
  let oldestMs = await oldest(
    bus,
    topic,
    waiting.filter(({ count }) => count > 0),
  )
  for (const state of states) for (const { storedAtMs } of state.entries()) oldestMs = Math.min(oldestMs, storedAtMs)
  return {
    channel,
    group,
    backlog: sum(waiting.map(({ count }) => count)) + sum(states.map(({ count }) => count)),
    oldestAgeMs: Number.isFinite(oldestMs) ? Math.max(0, bus.context.clock.nowMs() - oldestMs) : 0,
    inFlight,
    deadLetters: sum(states.map(({ letters }) => letters.size)),
    parkedLanes: lanes.filter(({ state }) => state === 'parked').length,
    suspendedLanes: lanes.filter(({ state }) => state === 'suspended').length,
    consumers,
    paused,
  }
}

/** How many members a group has, in all processes. */
export async function membersOf({ cluster, names }: KafkaBus, { channel, group }: GroupEntry): Promise<number> {
  const id = names.group(channel, group)
  const [found] = await cluster.persist(patienceMs, () =>
    cluster.coordinated('group', id, describeGroups, { groups: [id] }, ([one]) => (one === undefined || one.error === groupUnknown ? 0 : one.error)),
  )
  return found?.members ?? 0
}

async function oldest(bus: KafkaBus, topic: string, waiting: readonly Stretch[]): Promise<number> {
  let oldestMs = Number.POSITIVE_INFINITY
  await readStretches(bus, topic, waiting, (_, [first]) => {
    if (first === undefined) return true
    oldestMs = Math.min(oldestMs, first.timestampMs)
    return false
  })
  return oldestMs
}
