/**
 * A partition in this member's hands: what was delivered and not settled, where reading goes on, and the fence (epoch)
 * under which its progress is written. No I/O.
 *
 *   owned → revoking (nothing new; the core drains) → given up
 *      └→ lost (fenced, expired): nothing of it can be settled any more
 */
import type { LotLane } from '@sluice/core/transport'
import type { LogEntry } from '../wire/entries.ts'
import { after, later, type Position } from '../wire/position.ts'
import { decodeRanges, type Progress } from './progress.ts'

/** What is remembered about a message that failed, in the order of the JSON that is stored. */
export interface Remembered {
  readonly attempt: number
  readonly deliveries: number
  readonly notBeforeMs: number
  readonly firstDeliveredAtMs: number
  readonly note?: string
}

/** A delivery of the log, as its partition keeps it. */
export interface HeldDelivery {
  readonly entry: LogEntry
  readonly position: Position
  readonly deliveries: number
  readonly sizeBytes: number
  readonly deliveredAtMs: number
  readonly firstDeliveredAtMs: number | undefined
  readonly remembered: Remembered | undefined
  /** `released`: waits in its partition for the next receive. */
  state: 'delivered' | 'settled' | 'released'
  /** Whether something between the previous unsettled delivery of the partition and this one is settled. */
  afterSettled: boolean
}

/** A delivery of the parking lot, as its partition keeps it. */
export interface HeldLotDelivery {
  readonly lane: string
  readonly position: Position
  state: 'delivered' | 'settled' | 'void'
}

/** A partition as the server gave it to its new owner. */
export interface TakenPartition {
  readonly name: string
  readonly epoch: number
  readonly cursor: Position
  readonly done: string
  readonly claimed: Position
  readonly suspectBefore: Position | ''
  readonly deaths: number
}

/** A lane of the lot with the number of its last change from outside. */
export interface ComparedLane extends LotLane {
  readonly news: number
}

export class OwnedPartition {
  readonly name: string
  readonly residue: number
  readonly modulus: number
  readonly epoch: number
  /** Messages before it may have been in the hands of a member that died. */
  readonly suspectBefore: Position | ''
  readonly deaths: number
  /** Messages before it may have been delivered by an earlier owner. */
  readonly deliveredBefore: Position
  state: 'owned' | 'revoking' | 'lost' = 'owned'
  /** Next position to look at in the log. */
  readFrom: Position
  /** Last position that was delivered; '' if none. */
  deliveredLast: Position | '' = ''
  /** Deliveries before it are recorded as possibly begun. */
  claimed: Position
  /** What `claimed` may become with the next write: the end of what was read. */
  claimable: Position
  /** Log deliveries not settled, the released ones included. */
  unsettled = 0
  /** With serial delivery: one is out, nothing more until it is settled. */
  blocked = false
  /** Released deliveries, to be received again, by position. */
  readonly released: HeldDelivery[] = []
  readonly attempts: Map<Position, Remembered>
  /** Lot deliveries that were read and not settled. */
  readonly lotReads: Set<HeldLotDelivery> = new Set()
  /** `readFrom` when its progress was last written. */
  writtenReadFrom: Position
  /** Something is settled that the server does not know yet. */
  dirty = false
  /** Settled and not written. */
  doneDelta = 0
  finishedAttempts: Position[] = []
  // Lanes as the core was told last: name → news.
  #lanes: Map<string, number> = new Map()
  // Deliveries in order of position; settled ones stay until the next compaction.
  #entries: HeldDelivery[] = []
  #head = 0
  // Ranges done by an earlier owner, beyond what was read so far.
  readonly #skip: Position[]
  #skipAt = 0
  // The last settled (or skipped) position after the last entry; '' if none.
  #settledLast: Position | '' = ''

  constructor(taken: TakenPartition, attempts: ReadonlyMap<Position, Remembered>) {
    const [residue, modulus] = taken.name.split('/').map(Number) as [number, number]
    this.name = taken.name
    this.residue = residue
    this.modulus = modulus
    this.epoch = taken.epoch
    this.suspectBefore = taken.suspectBefore
    this.deaths = taken.deaths
    this.deliveredBefore = taken.claimed
    this.readFrom = taken.cursor
    this.writtenReadFrom = taken.cursor
    this.claimed = taken.claimed
    this.claimable = taken.claimed
    this.#skip = decodeRanges(taken.done)
    this.attempts = new Map([...attempts].filter(([position]) => position >= taken.cursor))
  }

  /** Whether an earlier owner finished this position; asked once for each position, in order. */
  skips(position: Position): boolean {
    while (this.#skipAt < this.#skip.length && position >= (this.#skip[this.#skipAt + 1] as Position)) this.#skipAt += 2
    if (this.#skipAt >= this.#skip.length || position < (this.#skip[this.#skipAt] as Position)) return false
    this.#settledLast = position
    return true
  }

  /** A delivery goes out, in order of position. */
  add(delivery: HeldDelivery): void {
    delivery.afterSettled = this.#settledLast !== ''
    this.#settledLast = ''
    this.#entries.push(delivery)
    this.deliveredLast = delivery.position
    this.unsettled++
  }

  settle(delivery: HeldDelivery): void {
    delivery.state = 'settled'
    this.unsettled--
    this.doneDelta++
    this.dirty = true
    this.blocked = false
    if (delivery.remembered !== undefined) this.finishedAttempts.push(delivery.position)
  }

  /** Takes a settlement back that was not made. */
  unsettle(delivery: HeldDelivery): void {
    delivery.state = 'delivered'
    this.unsettled++
    this.doneDelta--
    if (delivery.remembered !== undefined) this.finishedAttempts = this.finishedAttempts.filter((position) => position !== delivery.position)
  }

  /** Replaces a released delivery by the one that is handed out again. */
  replace(old: HeldDelivery, again: HeldDelivery): void {
    const at = this.#entries.indexOf(old, this.#head)
    again.afterSettled = old.afterSettled
    if (at >= 0) this.#entries[at] = again
  }

  /** Whether deliveries are out that a later owner would not know of. */
  get unclaimed(): boolean {
    return this.deliveredLast !== '' && this.deliveredLast >= this.claimed
  }

  /** The core made a lane itself, or settled its last message: it need not be told. */
  noteLane(lane: string, news: number | undefined): void {
    if (news === undefined) this.#lanes.delete(lane)
    else if (!this.#lanes.has(lane)) this.#lanes.set(lane, news)
  }

  /** Compares the lot's lanes with what the core was told last; returns those it must hear of. */
  lotChanges(lanes: readonly ComparedLane[]): LotLane[] {
    const known = this.#lanes
    this.#lanes = new Map(lanes.map((lane) => [lane.lane, lane.news]))
    const changed: LotLane[] = lanes.filter((lane) => known.get(lane.lane) !== lane.news)
    for (const lane of known.keys()) if (!this.#lanes.has(lane)) changed.push({ lane, partition: this.name, state: 'suspended', dueAtMs: 0, count: 0 })
    return changed
  }

  /** What the server is to know now. */
  progress(): Progress {
    const entries = this.#entries
    let at = this.#head
    while (at < entries.length && (entries[at] as HeldDelivery).state === 'settled') at++
    if (at === entries.length) return { cursor: this.readFrom, ranges: this.#skip.slice(this.#skipAt) }
    const cursor = (entries[at] as HeldDelivery).position
    const ranges: Position[] = []
    let open = cursor
    let settled: Position | '' = ''
    for (let i = at + 1; i < entries.length; i++) {
      const entry = entries[i] as HeldDelivery
      if (entry.afterSettled) settled = open
      if (entry.state === 'settled') {
        settled = entry.position
        continue
      }
      if (settled !== '') ranges.push(after(open), entry.position)
      open = entry.position
      settled = ''
    }
    const end = later(settled, this.#settledLast)
    if (end !== '') ranges.push(after(open), after(end))
    for (let i = this.#skipAt; i < this.#skip.length; i += 2) {
      const from = this.#skip[i] as Position
      const to = this.#skip[i + 1] as Position
      const last = ranges[ranges.length - 1]
      if (last !== undefined && from <= last) ranges[ranges.length - 1] = later(last, to)
      else ranges.push(from, to)
    }
    return { cursor, ranges }
  }

  /** After a write: forgets settled deliveries; the gaps they leave are marked on the next unsettled one. */
  compact(): void {
    const entries = this.#entries
    while (this.#head < entries.length && (entries[this.#head] as HeldDelivery).state === 'settled') this.#head++
    if (this.#head === entries.length) {
      this.#entries = []
      this.#head = 0
      // Everything before readFrom is done: no gap to remember.
      this.#settledLast = ''
      return
    }
    if (entries.length - this.#head <= 2 * this.unsettled + 64) {
      if (this.#head >= 32) {
        this.#entries = entries.slice(this.#head)
        this.#head = 0
      }
      return
    }
    const kept: HeldDelivery[] = []
    let settled = false
    let settledLast: Position | '' = ''
    for (let i = this.#head; i < entries.length; i++) {
      const entry = entries[i] as HeldDelivery
      if (entry.afterSettled) settled = true
      if (entry.state === 'settled') {
        settled = true
        settledLast = entry.position
        continue
      }
      entry.afterSettled = settled
      settled = false
      settledLast = ''
      kept.push(entry)
    }
    this.#settledLast = later(this.#settledLast, settledLast)
    this.#entries = kept
    this.#head = 0
  }

  /** Deliveries of the log not settled, in order. */
  unsettledDeliveries(): HeldDelivery[] {
    return this.#entries.slice(this.#head).filter((entry) => entry.state !== 'settled')
  }
}
