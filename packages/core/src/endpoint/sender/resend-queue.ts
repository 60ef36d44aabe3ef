import type { PendingMessage } from './pending.ts'

/** One lane with a failed message. */
interface BlockedLane {
  /** Messages of the lane that are under way. */
  inFlight: number
  /** What waits, in the order of the calls. */
  waiting: PendingMessage[]
}

/**
 * Messages that failed and are to be sent again. A keyed one blocks its lane until everything of the lane is confirmed
 * or given up; an unkeyed one waits for nobody.
 */
export class ResendQueue {
  readonly #lanes: Map<string, BlockedLane> = new Map()
  #unkeyed: PendingMessage[] = []

  /** Nothing waits, no lane is blocked. */
  get idle(): boolean {
    return this.#lanes.size === 0 && this.#unkeyed.length === 0
  }

  /** Whether `take` would find something. */
  get ready(): boolean {
    if (this.#unkeyed.length > 0) return true
    for (const lane of this.#lanes.values()) if (lane.inFlight === 0) return true
    return false
  }

  /** Takes a new message if its lane is blocked; false if it may be sent. */
  hold(pending: PendingMessage): boolean {
    if (this.#lanes.size === 0 || pending.lane === undefined) return false
    const lane = this.#lanes.get(pending.lane)
    lane?.waiting.push(pending)
    return lane !== undefined
  }

  /** Blocks a lane behind one message that goes alone. */
  alone(lane: string): void {
    this.#lanes.set(lane, { inFlight: 1, waiting: [] })
  }

  /** A message of a send that came back, whatever its outcome. */
  returned(pending: PendingMessage): void {
    if (this.#lanes.size === 0 || pending.lane === undefined) return
    const lane = this.#lanes.get(pending.lane)
    if (lane === undefined) return
    lane.inFlight--
    if (lane.inFlight === 0 && lane.waiting.length === 0) this.#lanes.delete(pending.lane)
  }

  /** Failed messages of one report. `flights`: what is under way still. */
  add(failed: readonly PendingMessage[], flights: Iterable<{ readonly entries: readonly PendingMessage[] }>): void {
    const fresh = new Set<string>()
    for (const pending of failed) {
      if (pending.lane === undefined) {
        this.#unkeyed.push(pending)
        continue
      }
      let lane = this.#lanes.get(pending.lane)
      if (lane === undefined) {
        lane = { inFlight: 0, waiting: [] }
        this.#lanes.set(pending.lane, lane)
        fresh.add(pending.lane)
      }
      insert(lane.waiting, pending)
    }
    if (fresh.size === 0) return
    // A lane that is blocked from now on may have later messages under way in other sends: wait for them.
    for (const flight of flights) {
      for (const pending of flight.entries) {
        if (pending.lane !== undefined && fresh.has(pending.lane)) (this.#lanes.get(pending.lane) as BlockedLane).inFlight++
      }
    }
  }

  /**
   * Takes what may be sent now, at most about `countMax` messages, in the order of the calls; whole lanes or their
   * beginnings, and one message only of lanes where `alone` says so. Messages given up meanwhile are dropped.
   */
  take(countMax: number, alone: (lane: string) => boolean): PendingMessage[] {
    const taken: PendingMessage[] = this.#unkeyed.splice(0, countMax).filter(isWaiting)
    for (const [name, lane] of this.#lanes) {
      if (taken.length >= countMax) break
      if (lane.inFlight > 0) continue
      lane.waiting = lane.waiting.filter(isWaiting)
      const part = lane.waiting.splice(0, alone(name) ? 1 : countMax - taken.length)
      lane.inFlight = part.length
      taken.push(...part)
      if (lane.inFlight === 0) this.#lanes.delete(name)
    }
    return taken.sort((a, b) => a.sequence - b.sequence)
  }
}

function isWaiting(pending: PendingMessage): boolean {
  return pending.state === 'waiting'
}

/** Keeps the order of the calls; failed messages come before what was held behind them. */
function insert(waiting: PendingMessage[], pending: PendingMessage): void {
  let at = waiting.length
  while (at > 0 && (waiting[at - 1] as PendingMessage).sequence > pending.sequence) at--
  waiting.splice(at, 0, pending)
}
