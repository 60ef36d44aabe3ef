import type { HistoryEvent } from '../../history/index.ts'

/**
 * Puts faults where they happened rather than where somebody noticed: a death right behind the last line of who died (a
 * taker-over may be quicker than the news), a freeze that a process found when it woke at the time its clock stood still.
 */
export function settleFaults(events: readonly HistoryEvent[]): HistoryEvent[] {
  const lastLine = new Map<string, number>()
  for (const [place, event] of events.entries()) lastLine.set(event.proc, place)
  const before = new Map<number, HistoryEvent[]>()
  const put = (place: number, event: HistoryEvent): void => {
    const there = before.get(place)
    if (there === undefined) before.set(place, [event])
    else there.push(event)
  }
  for (const [place, event] of events.entries()) {
    if (event.f !== 'fault') continue
    if (event.fault === 'death' && event.victim !== undefined) put((lastLine.get(event.victim) ?? place) + 1, event)
    else if (event.sinceNs !== undefined) {
      put(standstillAt(events, event, place), event)
    }
  }
  const settled: HistoryEvent[] = []
  for (let place = 0; place <= events.length; place++) {
    for (const fault of before.get(place) ?? []) settled.push(fault)
    const event = events[place]
    // Where it was found is where it woke.
    if (event !== undefined) settled.push(event.sinceNs === undefined ? event : { ...event, fault: 'lease-expired' })
  }
  return settled.map((event, i) => ({ ...event, i }))
}

/**
 * Before which line its victim stood still: the longest silence between what it last knew and its waking. It may have been
 * stopped in the middle of writing a line: that has a time of before, and stands behind everything that happened meanwhile.
 */
function standstillAt(events: readonly HistoryEvent[], fault: HistoryEvent, place: number): number {
  let before = fault.sinceNs ?? 0
  let at = events.findIndex(({ monoNs }) => monoNs > before)
  if (at === -1) return place
  let longest = -1
  let silence = at
  let standing = at
  let knownNs = before
  for (; at <= place; at++) {
    const event = events[at] as HistoryEvent
    if (event.proc !== fault.proc) continue
    if (event.monoNs - before > longest) {
      longest = event.monoNs - before
      standing = silence
      knownNs = before
    }
    before = event.monoNs
    silence = at + 1
  }
  return Math.min(
    standing,
    events.findIndex(({ monoNs }) => monoNs > knownNs),
  )
}
