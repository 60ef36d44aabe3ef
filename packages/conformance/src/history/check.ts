import { faultBetween, hasCause, heldOverFreeze, replayed } from './causes.ts'
import type { HistoryEvent, HistoryScope, Violation } from './event.ts'
import { type Fate, HistoryModel, type Run, type SentMessage } from './model.ts'
import { checkOrder } from './order.ts'

/**
 * Judges a history by the invariants I1–I11 (docs/internals/invariants.md). Line order is taken as time: an operation
 * is known to be over where its outcome stands, and to have begun where its `invoke` stands, so nothing is flagged that
 * another order of the same overlapping operations would allow.
 */
export function checkHistory(events: readonly HistoryEvent[], scope: HistoryScope): readonly Violation[] {
  const model = new HistoryModel(events, scope)
  const found: Violation[] = [...model.malformed]
  for (const message of model.messages.values()) {
    checkUnrouted(model, message, found)
    for (const group of model.groupsOf(message.channel)) checkComplete(model, message, model.fate(group, message.id), found)
  }
  for (const fate of model.fates.values()) checkFate(model, fate, found)
  checkLeases(model, found)
  checkDuplicates(model, found)
  checkOrder(model, found)
  return found.sort((a, b) => a.at - b.at)
}

function checkUnrouted(model: HistoryModel, message: SentMessage, found: Violation[]): void {
  if (message.outcome !== 'ok' || model.scope.drained === false) return
  if (model.groupsOf(message.channel).length === 0 && !model.unrouted.has(message.id)) {
    found.push({ invariant: 'I1', message: 'accepted, no group asks for it, and not counted as unrouted', at: message.invokedAt, id: message.id })
  }
}

/** I1: what was accepted has come to an end, and to one end only. */
function checkComplete(model: HistoryModel, message: SentMessage, fate: Fate, found: Violation[]): void {
  const { id, group } = fate
  const judged = model.scope.drained !== false && model.scope.partial?.includes(group) !== true
  if (message.outcome === 'ok' && judged && !hasEnded(model, fate)) {
    found.push({ invariant: 'I1', message: 'accepted, and neither done nor accounted for', at: message.invokedAt, id, group })
  }
  for (const dead of fate.deadLetters) {
    const accept = fate.accepts.find((a) => a.i > dead.i && !fate.redrives.some((r) => r > dead.i && r < a.i))
    const both = accept ?? fate.accepts.find((a) => a.i < dead.i && !replayed(model, fate, a.i, dead.i))
    if (both === undefined) continue
    const [from, to] = both.i < dead.i ? [both.i, dead.i] : [dead.i, both.i]
    // Handled by one who died, or woke too late, before anybody knew whether that was settled, given up by another: a death, too.
    const run = fate.runs.findLast(({ proc, at }) => proc === both.proc && at < both.i)
    const unsettled = both.type === 'info' && (faultBetween(model, both.proc, from, to) || (run !== undefined && heldOverFreeze(model, fate, run)))
    if (!unsettled && !faultBetween(model, dead.proc, from, to))
      found.push({ invariant: 'I1', message: 'done and dead-lettered without a death between the two', at: to, id, group })
  }
}

function hasEnded(model: HistoryModel, fate: Fate): boolean {
  // Only what settled counts: a handler that returned but whose acceptance nobody saw must be accepted after all.
  const lastComeBack = Math.max(-1, ...fate.redrives)
  if (fate.accepts.some((a) => a.i > lastComeBack) || fate.ends.some((end) => end > lastComeBack)) return true
  if (fate.discards.some((d) => d > lastComeBack)) return true
  if (fate.deadLetters.some((d) => d.i > lastComeBack)) return true
  return fate.parks.some((park) => park.behind !== undefined && isStillDead(model.fate(fate.group, park.behind)))
}

function isStillDead(fate: Fate): boolean {
  const last = fate.deadLetters.at(-1)
  return last !== undefined && !fate.redrives.some((r) => r > last.i) && !fate.discards.some((d) => d > last.i)
}

function checkFate(model: HistoryModel, fate: Fate, found: Violation[]): void {
  const { id, group } = fate
  const message = model.messages.get(id)
  const flag = (invariant: Violation['invariant'], text: string, at: number): void => void found.push({ invariant, message: text, at, id, group })
  for (const run of fate.runs) {
    const event = model.events[run.at] as HistoryEvent
    if (message === undefined || message.invokedAt > run.at) flag('I2', 'delivered, and never sent', run.at)
    else {
      if (event.sha256 !== message.sha256) flag('I2', 'delivered with other bytes, key or headers than were sent', run.at)
      if (event.key !== message.key) flag('I2', 'delivered under another key', run.at)
      if (message.outcome === 'fail')
        flag('I3', message.tx === undefined ? 'delivered, although its send had failed' : 'delivered, although its transaction was rolled back', run.at)
      if (message.dueMs !== undefined && run.wallMs !== undefined && run.wallMs < message.dueMs)
        flag('I11', `delivered ${message.dueMs - run.wallMs} ms before its time`, run.at)
    }
  }
  checkRedeliveries(model, fate, flag)
  checkEffects(model, fate, flag)
  if (model.scope.settlementConfirmed !== false) {
    for (const accept of fate.accepts) {
      if (accept.type !== 'ok') continue
      // Settled somewhere between its call and its confirmation: a replay between the two may have come after it.
      const called = fate.accepts.findLast(({ type, proc, i }) => type === 'info' && proc === accept.proc && i < accept.i)?.i ?? accept.i
      const again = fate.runs.find((run) => run.at > accept.i && !replayed(model, fate, called, run.at) && !heldOverFreeze(model, fate, run))
      if (again !== undefined) flag('I8', 'delivered again after a confirmed acceptance', again.at)
    }
  }
  for (const dead of fate.deadLetters) checkDeadLetter(model, fate, message, dead, flag)
}

type Flag = (invariant: Violation['invariant'], text: string, at: number) => void

/** I4: each delivery after the first has a cause between the two. */
function checkRedeliveries(model: HistoryModel, fate: Fate, flag: Flag): void {
  for (let n = 1; n < fate.runs.length; n++) {
    const before = fate.runs[n - 1] as Run
    const run = fate.runs[n] as Run
    if (heldOverFreeze(model, fate, run)) continue
    if (!hasCause(model, fate, before, run) && !replayed(model, fate, before.at, run.at)) {
      flag('I4', `delivery ${n + 1} has no cause`, run.at)
    }
  }
}

/** I5: one committed effect if done, never two. */
function checkEffects(model: HistoryModel, fate: Fate, flag: Flag): void {
  if (model.scope.effects?.includes(fate.group) !== true) return
  const second = fate.effects.filter((e) => e.type === 'ok')[1]
  if (second !== undefined) flag('I5', 'a second committed effect', second.i)
  const accept = fate.accepts.find((a) => a.type === 'ok')
  const handled = fate.runs.some((run) => run.outcome === 'ok')
  if (accept !== undefined && handled && fate.effects.length === 0) flag('I5', 'done without its effect', accept.i)
}

/** I9: a dead letter holds the bounded attempts and the original bytes, and can be traced. */
function checkDeadLetter(model: HistoryModel, fate: Fate, message: SentMessage | undefined, dead: HistoryEvent, flag: Flag): void {
  if (message === undefined) return flag('I9', 'a dead letter of a message that was never sent', dead.i)
  if (dead.sha256 !== undefined && dead.sha256 !== message.sha256) flag('I9', 'a dead letter with other bytes than were sent', dead.i)
  const attempts = dead.attempt ?? 0
  const max = dead.attemptsMax ?? Number.POSITIVE_INFINITY
  if (attempts > max) flag('I9', `${attempts} attempts, bounded at ${max}`, dead.i)
  if (dead.exhausted === true && attempts !== max) flag('I9', `given up after ${attempts} of ${max} attempts`, dead.i)
  const since = Math.max(-1, ...fate.redrives.filter((r) => r < dead.i))
  // Begun before a replay or after it: nobody knows which attempts it forgot.
  if (replayed(model, fate, since, dead.i)) return
  const runs = fate.runs.filter((run) => run.at > since && run.at < dead.i).length
  const released = fate.releases.filter((r) => r > since && r < dead.i).length
  const deaths = model.faults.filter((f) => f.i > since && f.i < dead.i).length
  if (attempts > runs + deaths && attempts > runs + deaths + heldByTheDead(model, fate, message, since))
    flag('I9', `says ${attempts} attempts after ${runs} deliveries`, dead.i)
  if (runs - released - deaths > attempts) flag('I9', `says ${attempts} attempts, and ${runs} deliveries were neither released nor cut off`, dead.i)
  const earlier = fate.deadLetters.findLast((d) => d.i < dead.i)
  if (earlier !== undefined && since < earlier.i && !replayed(model, fate, earlier.i, dead.i) && !faultBetween(model, earlier.proc, earlier.i, dead.i))
    flag('I9', 'dead-lettered twice without a redrive between', dead.i)
}

/** 1 if the last who began something of its lane died before the redrive at `since`: who takes the lane over counts that as an attempt. */
function heldByTheDead(model: HistoryModel, fate: Fate, message: SentMessage, since: number): 0 | 1 {
  const ofLane = (event: HistoryEvent): boolean => event.id === message.id || (message.key !== undefined && event.key === message.key)
  const last = model.events.findLast((e) => e.i < since && e.f === 'deliver' && e.type === 'invoke' && e.group === fate.group && ofLane(e))
  if (last === undefined) return 0
  return model.faults.some((f) => f.fault === 'death' && f.victim === last.proc && f.i > last.i && f.i < since) ? 1 : 0
}

/** I7: what a member settles under a lease that was granted anew meanwhile does not count. */
function checkLeases(model: HistoryModel, found: Violation[]): void {
  for (const fate of model.fates.values()) {
    for (const settled of [...fate.accepts, ...fate.effects, ...fate.deadLetters]) {
      if (settled.type !== 'ok' || settled.epoch === undefined) continue
      const newer = model.leases.find(
        (l) => l.i < settled.i && l.group === fate.group && l.partition === settled.partition && (l.epoch ?? 0) > (settled.epoch as number),
      )
      // The settlement may have been made before the grant and reported after it: only what began after it is stale.
      if (newer === undefined) continue
      const began = model.events.findLast(
        (e) => e.i < settled.i && e.type === 'invoke' && e.f === settled.f && e.id === settled.id && e.group === settled.group && e.proc === settled.proc,
      )
      if (began === undefined || began.i > newer.i)
        found.push({
          invariant: 'I7',
          message: `${settled.f} settled under epoch ${settled.epoch}, after epoch ${newer.epoch} was granted`,
          at: settled.i,
          id: fate.id,
          group: fate.group,
        })
    }
  }
}

/** I2, I1: of several sends under one deduplication key one is stored, and the others are told which. */
function checkDuplicates(model: HistoryModel, found: Violation[]): void {
  const keyOf = new Map<string, string>()
  for (const event of model.events)
    if (event.f === 'send' && event.type === 'invoke' && event.id !== undefined && event.deduplicate !== undefined) keyOf.set(event.id, event.deduplicate)
  const storedUnder = new Map<string, string>()
  const store = (key: string, id: string, at: number): void => {
    const known = storedUnder.get(key)
    if (known === undefined) storedUnder.set(key, id)
    else if (known !== id) found.push({ invariant: 'I2', message: `stored although ${known} was stored under the same deduplication key`, at, id })
  }
  for (const event of model.events) {
    const key = event.id === undefined ? undefined : keyOf.get(event.id)
    if (key === undefined || event.id === undefined) continue
    if (event.f === 'send' && event.type === 'ok') store(key, event.id, event.i)
    else if (event.storedAs !== undefined) {
      if (keyOf.get(event.storedAs) !== key)
        found.push({ invariant: 'I1', message: `said to be stored as ${event.storedAs}, which is another message`, at: event.i, id: event.id })
      else store(key, event.storedAs, event.i)
    } else if (event.f === 'deliver' && event.type === 'invoke') store(key, event.id, event.i)
  }
}
