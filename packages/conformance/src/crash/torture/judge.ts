import { checkHistory, type HistoryEvent, type HistoryScope, type Violation } from '../../history/index.ts'
import { derivedChannel, orderChannel } from './orders.ts'
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
  const scope: HistoryScope = {
    groups: { [orderChannel]: plan.groups.map(({ name }) => name), [derivedChannel]: ['derived'] },
    ordered: [...plan.groups.filter(({ order }) => order !== 'none').map(({ name }) => name), 'derived'],
    parking: plan.groups.filter(({ onDeadLetter, order }) => onDeadLetter === 'park' && order === 'key').map(({ name }) => name),
    drained,
  }
  const violations = [...checkHistory(events, scope)]
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
