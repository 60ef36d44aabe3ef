/** What explains that a message comes again, or late. */
import type { HistoryEvent } from './event.ts'
import type { Fate, HistoryModel, Run } from './model.ts'

/** Whether somebody asked for it again between two lines. */
export function replayed(model: HistoryModel, fate: Fate, from: number, to: number): boolean {
  return model.replays.some((r) => r.group === fate.group && r.endedAt > from && r.invokedAt < to) || fate.redrives.some((r) => r > from && r < to)
}

/** Whether the run before failed, was given back, or something happened to its process. */
export function hasCause(model: HistoryModel, fate: Fate, before: Run, run: Run): boolean {
  const failed = before.outcome !== 'ok' && before.outcomeAt < run.at
  const released = fate.releases.some((r) => r > before.at && r < run.at)
  return failed || released || faultBetween(model, before.proc, before.at, run.at) || expiredLate(model, fate, before, run)
}

/**
 * A standstill costs the lease up to a lease later: who woke may have begun something, and not have renewed in time all the
 * same. Then it is told of its loss after the one who took over has begun.
 */
function expiredLate(model: HistoryModel, fate: Fate, before: Run, run: Run): boolean {
  const { leaseMs } = model.scope
  if (leaseMs === undefined || before.proc === run.proc) return false
  const beganNs = model.events[run.at]?.monoNs ?? 0
  const late = model.standstills.some(({ proc, to }) => proc === before.proc && to < run.at && beganNs - (model.events[to]?.monoNs ?? 0) < leaseMs * 1e6)
  const settled = fate.accepts.some((accept) => accept.type === 'ok' && accept.proc === before.proc && accept.i > before.at)
  return late && !settled && model.faults.some((f) => f.i > run.at && f.victim === before.proc && f.fault !== 'freeze')
}

/** Whether something happened to a process between two lines, or it stood still for a part of that. */
export function faultBetween(model: HistoryModel, proc: string, from: number, to: number): boolean {
  return (
    model.faults.some((f) => f.i > from && f.i < to && (f.victim === undefined || f.victim === proc)) ||
    model.standstills.some((s) => s.proc === proc && s.from < to && s.to > from)
  )
}

/**
 * The turn in which a process stood still had looked at the clock before: what it begins when it goes on nobody can prevent
 * (an inbox excludes the effect). That is the first thing it begins (one message, or one batch), before it says itself that
 * it stood still, and only where the taking over happened meanwhile. What it then settles is judged by I7 all the same.
 */
export function heldOverFreeze(model: HistoryModel, fate: Fate, run: Run): boolean {
  const frozen = model.faults.findLast((f) => f.fault === 'freeze' && f.victim === run.proc && f.i < run.at)
  if (frozen === undefined) return false
  // Between the judge's word and its signal it may have begun something; between the next word and waking it, not.
  const woken = model.faults.findLast((f) => f.fault === 'lease-expired' && f.victim === run.proc && f.proc !== run.proc && f.i < run.at)
  const from = Math.max(frozen.i, woken?.i ?? 0)
  for (let i = from + 1; i < run.at; i++) {
    const { proc, f, type, fault, run: batch } = model.events[i] as HistoryEvent
    if (proc !== run.proc) continue
    if (f === 'fault' && fault === 'lease-expired') return false
    if (f === 'deliver' && type === 'invoke' && (batch === undefined || batch !== run.run)) return false
  }
  return fate.runs.every((other) => other.at >= run.at || (other.proc !== run.proc ? other.outcomeAt > frozen.i : other.at < frozen.i))
}
