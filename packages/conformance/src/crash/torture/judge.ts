import { checkHistory, type HistoryEvent, type HistoryScope, type Violation } from '../../history/index.ts'
import { derivedChannel, noticeChannel, noticeGroup, orderChannel, questionChannel, workChannel } from './orders.ts'
import type { TorturePlan } from './plan.ts'
import { settleFaults } from './settle-faults.ts'

/** What a run came to. */
export interface Verdict {
  readonly violations: readonly Violation[]
  readonly lines: number
  readonly confirmed: number
  readonly handled: number
  readonly redelivered: number
  readonly lost: number
  readonly outOfOrder: number
  readonly doubledAfterAccept: number
}

/** Judges the history of a run that was drained, or could not be. */
export function judge(raw: readonly HistoryEvent[], plan: TorturePlan, drained: boolean): Verdict {
  const events = settleFaults(raw)
  const notices = events.filter(({ f }) => f === 'join').map(({ proc }) => noticeGroup(proc))
  const scope: HistoryScope = {
    groups: {
      [orderChannel]: plan.groups.map(({ name }) => name),
      [derivedChannel]: ['derived'],
      [noticeChannel]: notices,
      [workChannel]: [workChannel],
      [questionChannel]: [questionChannel],
    },
    ordered: [...plan.groups.filter(({ order }) => order !== 'none').map(({ name }) => name), 'derived', workChannel, questionChannel, ...notices],
    partial: notices,
    parking: plan.groups.filter(({ onDeadLetter, order }) => onDeadLetter === 'park' && order === 'key').map(({ name }) => name),
    drained,
    leaseMs: plan.leaseMs,
  }
  const violations = [...checkHistory(events, scope), ...missedNotices(events), ...beyondBound(events, plan)]
  if (!drained) violations.push({ invariant: 'I11', message: 'the backlog did not drain', at: events.length - 1 })
  const runs = events.filter(({ f, type }) => f === 'deliver' && type === 'invoke')
  const count = (invariant: Violation['invariant']): number => violations.filter((v) => v.invariant === invariant).length
  return {
    violations,
    lines: events.length,
    confirmed: events.filter(({ f, type }) => f === 'send' && type === 'ok').length,
    handled: runs.length,
    redelivered: runs.length - new Set(runs.map(({ group, id }) => `${group} ${id}`)).size,
    lost: count('I1'),
    outOfOrder: count('I6') + count('I10'),
    doubledAfterAccept: count('I8'),
  }
}

/** I9 for handlers: none begins an attempt that its policy does not allow. */
function beyondBound(events: readonly HistoryEvent[], plan: TorturePlan): Violation[] {
  const bounds = new Map(plan.groups.map(({ name, attempts }) => [name, attempts]))
  bounds.set(workChannel, plan.groups[0]?.attempts ?? 0)
  const beyond: Violation[] = []
  for (const { f, type, group = '', id = '', attempt = 0, i: at } of events) {
    const bound = bounds.get(group)
    if (f === 'deliver' && type === 'invoke' && bound !== undefined && attempt > bound)
      beyond.push({ invariant: 'I9', message: `attempt ${attempt} of ${bound} begins`, at, id, group })
  }
  return beyond
}

/** I1 for what every instance gets: who was there before a notice was sent, and came to no harm until the end, has handled it. */
function missedNotices(events: readonly HistoryEvent[]): Violation[] {
  const end = events.findIndex(({ f }) => f === 'drained')
  const sent = new Map<string, number>()
  const confirmed = new Set<string>()
  for (const { f, type, id, channel, i } of events) {
    if (f !== 'send' || id === undefined) continue
    if (type === 'invoke' && channel === noticeChannel) sent.set(id, i)
    else if (type === 'ok' && sent.has(id)) confirmed.add(id)
  }
  const missed: Violation[] = []
  for (const { proc, i: joined } of events.filter(({ f, i }) => f === 'join' && i < end)) {
    if (events.some((e) => e.i > joined && e.i < end && ((e.f === 'leave' && e.proc === proc) || (e.f === 'fault' && e.victim === proc)))) continue
    const group = noticeGroup(proc)
    const handled = new Set(events.filter((e) => e.f === 'deliver' && e.type === 'ok' && e.group === group).map(({ id }) => id))
    for (const id of confirmed) {
      const at = sent.get(id) as number
      if (at > joined && !handled.has(id)) missed.push({ invariant: 'I1', message: 'a notice that an instance never heard', at, id, group })
    }
  }
  return missed
}
