/**
 * A partition in this member's hands: what was delivered and not settled, what is to be read next, and the fence (epoch)
 * under which its progress is written. No I/O.
 *
 *   owned → revoking (nothing new; the core drains) → given up
 *      └→ lost (fenced, expired): nothing of it can be settled any more
 */
import type { Block } from '../log/block.ts'
import { decodeRanges, type Progress } from './progress.ts'

/** Progress of one message in one group, as recorded by `Consumer.record`. */
export interface AttemptRow {
  readonly position: number
  readonly attempt: number
  readonly deliveries: number
  readonly not_before_ms: number
  readonly first_delivered_at_ms: number
  readonly note: string | null
}

/** A delivery of the log, as its partition keeps it. */
export interface HeldDelivery {
  readonly block: Block
  readonly index: number
  readonly position: number
  readonly deliveries: number
  readonly sizeBytes: number
  readonly deliveredAtMs: number
  readonly firstDeliveredAtMs: number | undefined
  readonly record: AttemptRow | undefined
  /** `released`: waits in its partition for the next receive. */
  state: 'delivered' | 'settled' | 'released'
  /** Whether something between the previous unsettled delivery of the partition and this one is settled. */
  afterSettled: boolean
}

/** A delivery of the parking lot, as its partition keeps it. */
export interface HeldLotDelivery {
  readonly lane: string
  state: 'delivered' | 'settled' | 'void'
}

/** A row of the table `partition`. */
export interface PartitionRow {
  readonly modulus: number
  readonly residue: number
  readonly owner: number | null
  readonly epoch: number
  readonly cursor: number
  readonly done: string
  readonly done_count: number
  readonly claimed: number
  readonly suspect_before: number
  readonly deaths: number
  readonly needs_type: string | null
}

export class OwnedPartition {
  readonly name: string
  readonly modulus: number
  readonly residue: number
  readonly epoch: number
  /** Messages before it may have been in the hands of a member that died. */
  readonly suspectBefore: number
  readonly deaths: number
  /** Messages before it were delivered before, by an earlier owner; after a death: may have been. */
  readonly deliveredBefore: number
  state: 'owned' | 'revoking' | 'lost' = 'owned'
  /** Next position to look at in the log. */
  readFrom: number
  /** Position after the last one that was delivered. */
  deliveredEnd = 0
  /** Deliveries before this position are recorded as possibly begun. */
  claimed: number
  /** Log deliveries not settled, the released ones included. */
  unsettled = 0
  /** With serial delivery: one is out, nothing more until it is settled. */
  blocked = false
  /** A damaged block stands at `readFrom`: nothing new before it is mended. */
  stopped = false
  /** Released deliveries, to be received again, by position. */
  readonly released: HeldDelivery[] = []
  readonly attempts: Map<number, AttemptRow>
  /** The core was told of what commits up to this one changed in its lanes of the lot from outside. */
  lotToldSeq = 0
  /** Lot deliveries that were read and are not settled, or settled but still in the file; by entry id. */
  readonly lotReads: Map<number, HeldLotDelivery> = new Map()
  /** Lot entries up to this one were there when it was taken: who died may have begun them, except those whose attempts were written since. */
  readonly lotEnd: number
  readonly lotTried: Set<number> = new Set()
  /** `readFrom` when its progress was last written. */
  writtenReadFrom: number
  /** Something is settled that the file does not know yet. */
  dirty = false
  // Settled and not written; and written in transaction #writingIn, which may still be undone.
  #doneDelta = 0
  #writingDelta = 0
  #writingIn = 0
  finishedAttempts: number[] = []
  // Deliveries in order of position; settled ones stay until the next compaction.
  #entries: HeldDelivery[] = []
  #head = 0
  // Ranges done by an earlier owner, beyond what was read so far.
  #skip: number[]
  #skipAt = 0
  // Something settled (or skipped) after the last entry; and the position after it.
  #settledAfterLast = false
  #settledEnd = 0

  constructor(row: PartitionRow, epoch: number, attempts: readonly AttemptRow[], lotEnd = 0) {
    this.name = `${row.residue}/${row.modulus}`
    this.modulus = row.modulus
    this.residue = row.residue
    this.epoch = epoch
    this.suspectBefore = row.suspect_before
    this.deaths = row.deaths
    this.lotEnd = lotEnd
    this.deliveredBefore = row.claimed
    this.readFrom = row.cursor
    this.writtenReadFrom = row.cursor
    this.claimed = row.claimed
    this.#skip = decodeRanges(row.done)
    this.attempts = new Map(attempts.map((attempt) => [attempt.position, attempt]))
  }

  /** Whether an earlier owner finished this position; asked once for each position, in order. */
  skips(position: number): boolean {
    while (this.#skipAt < this.#skip.length && position >= (this.#skip[this.#skipAt + 1] as number)) this.#skipAt += 2
    if (this.#skipAt >= this.#skip.length || position < (this.#skip[this.#skipAt] as number)) return false
    this.#settledAfterLast = true
    this.#settledEnd = position + 1
    return true
  }

  /** A delivery goes out, in order of position. */
  add(delivery: HeldDelivery): void {
    delivery.afterSettled = this.#settledAfterLast
    this.#entries.push(delivery)
    this.#settledAfterLast = false
    this.unsettled++
  }

  settle(delivery: HeldDelivery): void {
    delivery.state = 'settled'
    this.unsettled--
    this.#doneDelta++
    this.dirty = true
    this.blocked = false
    if (delivery.record !== undefined) this.finishedAttempts.push(delivery.position)
  }

  /** Takes a settlement back: its transaction failed. */
  unsettle(delivery: HeldDelivery): void {
    delivery.state = 'delivered'
    this.unsettled++
    this.#doneDelta--
    if (delivery.record !== undefined) this.finishedAttempts = this.finishedAttempts.filter((position) => position !== delivery.position)
  }

  /**
   * How many more messages are done than was written, for a write in this transaction. Several jobs of one transaction
   * write the same partition; and what an undone transaction wrote is to be written again.
   */
  doneToWrite(transaction: number): number {
    if (transaction !== this.#writingIn) {
      this.#doneDelta += this.#writingDelta
      this.#writingDelta = 0
      this.#writingIn = transaction
    }
    const delta = this.#doneDelta
    this.#writingDelta += delta
    this.#doneDelta = 0
    return delta
  }

  /** The transaction of the last write is committed. */
  written(): void {
    this.#writingDelta = 0
  }

  /** Replaces a released delivery by the one that is handed out again. */
  replace(old: HeldDelivery, again: HeldDelivery): void {
    const entries = this.#entries
    let low = this.#head
    let high = entries.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((entries[middle] as HeldDelivery).position < old.position) low = middle + 1
      else high = middle
    }
    again.afterSettled = old.afterSettled
    entries[low] = again
  }

  /** What the file is to know now. */
  progress(): Progress {
    const entries = this.#entries
    let at = this.#head
    while (at < entries.length && (entries[at] as HeldDelivery).state === 'settled') at++
    if (at === entries.length) return { cursor: this.readFrom, ranges: this.#skip.slice(this.#skipAt) }
    const cursor = (entries[at] as HeldDelivery).position
    const ranges: number[] = []
    let open = cursor
    let settled = false
    let end = cursor + 1
    for (let i = at + 1; i < entries.length; i++) {
      const entry = entries[i] as HeldDelivery
      if (entry.afterSettled) settled = true
      if (entry.state === 'settled') {
        settled = true
        end = entry.position + 1
        continue
      }
      if (settled) ranges.push(open + 1, entry.position)
      open = entry.position
      settled = false
      end = open + 1
    }
    if (settled || this.#settledAfterLast) ranges.push(open + 1, Math.max(end, this.#settledAfterLast ? this.#settledEnd : 0))
    for (let i = this.#skipAt; i < this.#skip.length; i += 2) {
      const from = this.#skip[i] as number
      const to = this.#skip[i + 1] as number
      const last = ranges[ranges.length - 1]
      if (last !== undefined && from <= last) ranges[ranges.length - 1] = Math.max(last, to)
      else ranges.push(from, to)
    }
    return { cursor, ranges }
  }

  /** After a flush: forgets settled deliveries; the gaps they leave are marked on the next unsettled one. */
  compact(): void {
    const entries = this.#entries
    while (this.#head < entries.length && (entries[this.#head] as HeldDelivery).state === 'settled') this.#head++
    if (this.#head === entries.length) {
      this.#entries = []
      this.#head = 0
      return
    }
    if (entries.length - this.#head <= 2 * this.unsettled + 64) {
      // Soon: settled ones that stay for long are copied by the collector again and again (a fifth of a consumer's time).
      if (this.#head >= 32) {
        this.#entries = entries.slice(this.#head)
        this.#head = 0
      }
      return
    }
    const kept: HeldDelivery[] = []
    let settled = false
    let settledEnd = 0
    for (let i = this.#head; i < entries.length; i++) {
      const entry = entries[i] as HeldDelivery
      if (entry.afterSettled) settled = true
      if (entry.state === 'settled') {
        settled = true
        settledEnd = entry.position + 1
        continue
      }
      entry.afterSettled = settled
      settled = false
      kept.push(entry)
    }
    if (settled) {
      this.#settledAfterLast = true
      this.#settledEnd = Math.max(this.#settledEnd, settledEnd)
    }
    this.#entries = kept
    this.#head = 0
  }

  /** Deliveries of the log not settled, in order. */
  unsettledDeliveries(): HeldDelivery[] {
    return this.#entries.slice(this.#head).filter((entry) => entry.state !== 'settled')
  }
}
