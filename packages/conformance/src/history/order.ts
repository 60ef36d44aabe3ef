import { heldOverFreeze } from './causes.ts'
import type { HistoryEvent, Violation } from './event.ts'
import { doneAt, type Fate, type HistoryModel, type SentMessage } from './model.ts'

/** I6 and the order half of I10: per key, first deliveries follow the order of sends (or commits), one after the other. */
export function checkOrder(model: HistoryModel, found: Violation[]): void {
  const lanes = new Map<string, SentMessage[]>()
  const committed = new Map<string, SentMessage[]>()
  for (const message of model.messages.values()) {
    if (message.key === undefined || message.outcome === 'fail') continue
    const lane = message.tx === undefined ? lanes : committed
    const name = message.tx === undefined ? `${message.channel}\n${message.producer ?? ''}\n${message.key}` : `${message.channel}\n${message.key}`
    const members = lane.get(name)
    if (members === undefined) lane.set(name, [message])
    else members.push(message)
  }
  for (const lane of lanes.values())
    checkLane(
      model,
      lane.sort((a, b) => a.seq - b.seq),
      'I6',
      found,
    )
  for (const lane of committed.values()) {
    const inCommitOrder = lane.filter((m) => m.outcome === 'ok').sort((a, b) => commitAt(model, a) - commitAt(model, b) || a.seq - b.seq)
    checkLane(
      model,
      inCommitOrder,
      'I10',
      found,
      (earlier, later) => commitAt(model, earlier) < (model.transactions.get(later.tx as string)?.invokedAt ?? 0) || earlier.tx === later.tx,
    )
  }
  checkParked(model, found)
  for (const group of model.scope.parking ?? []) checkHeldBack(model, group, found)
}

function commitAt(model: HistoryModel, message: SentMessage): number {
  return model.transactions.get(message.tx as string)?.endedAt ?? Number.POSITIVE_INFINITY
}

/** `comparable`: whether the order of two neighbours is known; a message with a due time has no place in the order. */
function checkLane(
  model: HistoryModel,
  lane: readonly SentMessage[],
  invariant: 'I6' | 'I10',
  found: Violation[],
  comparable: (earlier: SentMessage, later: SentMessage) => boolean = () => true,
): void {
  const channel = lane[0]?.channel
  if (channel === undefined) return
  for (const group of model.groupsOf(channel)) {
    if (model.scope.ordered !== undefined && !model.scope.ordered.includes(group)) continue
    let previous: { message: SentMessage; fate: Fate } | undefined
    for (const message of lane) {
      if (message.dueMs !== undefined) continue
      const fate = model.fate(group, message.id)
      const first = fate.runs[0]
      if (previous !== undefined && first !== undefined && comparable(previous.message, message))
        checkPair(previous, { message, fate }, invariant, group, found)
      // A message that never came to a handler here holds nobody back; one that must come and has not, does.
      if (first !== undefined || (message.outcome === 'ok' && model.scope.partial?.includes(group) !== true)) previous = { message, fate }
    }
  }
}

function checkPair(
  earlier: { message: SentMessage; fate: Fate },
  later: { message: SentMessage; fate: Fate },
  invariant: 'I6' | 'I10',
  group: string,
  found: Violation[],
): void {
  const begin = later.fate.runs[0]
  if (begin === undefined) return
  const before = earlier.fate.runs[0]
  // In one batch, before it: also where the earlier one is tried again there.
  const together = begin.run !== undefined && earlier.fate.runs.some((run) => run.run === begin.run && run.at < begin.at)
  const outOfTheWay = Math.min(doneAt(earlier.fate), ...earlier.fate.deadLetters.map((d) => d.i), ...earlier.fate.discards)
  if (together || outOfTheWay < begin.at) return
  const text =
    before === undefined || before.at > begin.at
      ? `first delivered before ${earlier.message.id}, which was sent before it`
      : `first delivered while ${earlier.message.id}, sent before it, had no outcome`
  found.push({ invariant, message: text, at: begin.at, id: later.message.id, group })
}

/** A message that waits behind a dead letter comes only after that was redriven and ended, or discarded. */
function checkParked(model: HistoryModel, found: Violation[]): void {
  for (const fate of model.fates.values()) {
    for (const park of fate.parks) {
      if (park.behind === undefined) continue
      const next = fate.runs.find((run) => run.at > park.i)
      if (next === undefined) continue
      const before = model.fate(fate.group, park.behind)
      const redriven = before.redrives.find((r) => r > park.i)
      const ended =
        redriven !== undefined &&
        (before.runs.some((run) => run.at > redriven && run.outcome === 'ok' && run.outcomeAt < next.at) ||
          before.ends.some((end) => end > redriven && end < next.at) ||
          before.deadLetters.some((d) => d.i > redriven && d.i < next.at))
      const discarded = before.discards.some((d) => d < next.at)
      if (!ended && !discarded)
        found.push({
          invariant: 'I6',
          message: `delivered although ${park.behind}, which it is parked behind, is still a dead letter`,
          at: next.at,
          id: fate.id,
          group: fate.group,
        })
    }
  }
}

/** In a group that parks: behind a dead letter nothing of its key begins, until it is redriven or discarded. */
function checkHeldBack(model: HistoryModel, group: string, found: Violation[]): void {
  if (model.replays.some((replay) => replay.group === group)) return
  // Key → the dead letter that its lane waits behind.
  const heads = new Map<string, HistoryEvent>()
  const uncertain = (dead: HistoryEvent, at: number): boolean => model.faults.some((f) => f.i > dead.i && f.i < at && f.victim === dead.proc)
  for (const event of model.events) {
    if (event.group !== group || event.key === undefined || event.type === 'fail') continue
    const head = heads.get(event.key)
    if (event.f === 'deadletter' && event.type !== 'invoke' && !model.unmadeDeadLetters.has(event.i)) heads.set(event.key, event)
    else if ((event.f === 'redrive' || event.f === 'discard') && head?.id === event.id) heads.delete(event.key)
    else if (event.f === 'deliver' && event.type === 'invoke' && head !== undefined) {
      // Its own process died or lost it: perhaps it never became a dead letter. Or the one who begins it held it all the time.
      const fate = event.id === undefined ? undefined : model.fate(group, event.id)
      const run = fate?.runs.find(({ at }) => at === event.i)
      if (!uncertain(head, event.i) && !(fate !== undefined && run !== undefined && heldOverFreeze(model, fate, run)))
        found.push({
          invariant: 'I6',
          message: `begun although ${head.id}, a dead letter of its key, holds the lane`,
          at: event.i,
          ...(event.id === undefined ? {} : { id: event.id }),
          group,
        })
      heads.delete(event.key)
    }
  }
}
