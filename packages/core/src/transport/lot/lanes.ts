/**
 * Lanes that wait in a parking lot, with what waits in each, in order: how they come, open and go is the same on every
 * transport, whatever keeps them (memory, a log of notes, a queue). No I/O.
 */
import type { LotLane } from '../transport.ts'

/** A lane in a lot; transports add fields of their own. */
export interface WaitingLane<E> {
  readonly name: string
  /** `suspended`: drained from `dueAtMs` on; `parked`: waits for what becomes of the dead letter `parkedBy`. */
  state: 'suspended' | 'parked'
  /** ms since the epoch. */
  dueAtMs: number
  parkedBy: string | undefined
  readonly entries: E[]
}

/** A lane in which nothing waits yet. */
export function emptyLane<E>(name: string, state: 'suspended' | 'parked', dueAtMs: number): WaitingLane<E> {
  return { name, state, dueAtMs, parkedBy: undefined, entries: [] }
}

/** A lane as the core wants to know it. */
export function describeLane(lane: WaitingLane<unknown>, partition: string): LotLane {
  return { lane: lane.name, partition, state: lane.state, dueAtMs: lane.dueAtMs, count: lane.entries.length }
}

/** The lanes of a lot, by name. A lane with nothing in it stays only while it is parked. */
export class LotLanes<E, L extends WaitingLane<E> = WaitingLane<E>> {
  readonly #lanes: Map<string, L> = new Map()

  get size(): number {
    return this.#lanes.size
  }

  get(name: string): L | undefined {
    return this.#lanes.get(name)
  }

  values(): IterableIterator<L> {
    return this.#lanes.values()
  }

  /** A lane that was not there. */
  add(lane: L): L {
    this.#lanes.set(lane.name, lane)
    return lane
  }

  clear(): void {
    this.#lanes.clear()
  }

  /** Of the partition whose lot this is. */
  describe(partition: string): LotLane[] {
    return [...this.#lanes.values()].map((lane) => describeLane(lane, partition))
  }

  /** What `ParkingLot.read` gives: entries in order that nobody has in hand, at most `countMax`; undefined: the lane is parked. */
  free(name: string, countMax: number, isHeld: (entry: E) => boolean): E[] | undefined {
    const lane = this.#lanes.get(name)
    if (lane === undefined) return []
    if (lane.state === 'parked') return undefined
    const found: E[] = []
    for (const entry of lane.entries) {
      if (found.length >= countMax) break
      if (!isHeld(entry)) found.push(entry)
    }
    return found
  }

  /** An entry is done with. Resolves to whether its lane went with it; a lane that is parked stays. */
  remove(lane: L, entry: E): boolean {
    const at = lane.entries.indexOf(entry)
    if (at >= 0) lane.entries.splice(at, 1)
    return this.goesIfEmpty(lane)
  }

  /** Closes a lane behind a dead letter. */
  park(lane: L, letterId: string): void {
    lane.state = 'parked'
    lane.parkedBy = letterId
  }

  /**
   * A dead letter is redriven: its message is put before the first one that `isBehind` names. True: the lane opens, since it was
   * parked behind this letter, or is not parked.
   */
  putBack(lane: L, entry: E, letterId: string, isBehind: (other: E) => boolean): boolean {
    const at = lane.entries.findIndex(isBehind)
    lane.entries.splice(at < 0 ? lane.entries.length : at, 0, entry)
    if (lane.state === 'parked' && lane.parkedBy !== letterId) return false
    open(lane)
    return true
  }

  /** A dead letter is discarded. The lane that was parked behind it, open now, and gone if nothing is in it; undefined: none was. */
  letGo(name: string, letterId: string): L | undefined {
    const lane = this.#lanes.get(name)
    if (lane?.parkedBy !== letterId) return undefined
    open(lane)
    this.goesIfEmpty(lane)
    return lane
  }

  /** How many wait behind a dead letter of this lane. */
  countBehind(name: string, letterId: string): number {
    const lane = this.#lanes.get(name)
    return lane?.parkedBy === letterId ? lane.entries.length : 0
  }

  /** Whether a lane was in no need to stay any more, and went. */
  goesIfEmpty(lane: L): boolean {
    if (lane.entries.length > 0 || lane.state === 'parked') return false
    this.#lanes.delete(lane.name)
    return true
  }
}

function open(lane: WaitingLane<unknown>): void {
  lane.state = 'suspended'
  lane.dueAtMs = 0
  lane.parkedBy = undefined
}
