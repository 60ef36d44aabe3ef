/** One partition of a group in this member's hands: what was read of it, what is in hand, how far it is done. No I/O. */
import { attemptFields, type HeldDelivery, type LotLane, partitionName } from '@sluice/core/transport'
import { type Lane, type LotEntry, LotState } from '../lot/lot-state.ts'
import type { KafkaRecord } from '../protocol/records.ts'
import { fromRecord } from '../wire.ts'
import { Progress } from './progress.ts'

/** Read ahead of the handlers, at most, bytes. */
const bufferBytesMax = 4 * 1024 * 1024

/** A delivery of this transport: knows where it came from and whether it can still be settled. */
export interface KafkaDelivery extends HeldDelivery {
  readonly owner: OwnedPartition
  /** In the channel's partition. */
  readonly offset: number
  /** Its entry in the lot, where it came from there. */
  readonly entryId: string | undefined
  readonly redrives: number
}

/** See the header of this file. */
export class OwnedPartition {
  readonly index: number
  readonly name: string
  readonly lot: LotState = new LotState()
  /** `paused`: its progress is being changed; `gone`: not ours any more. */
  state: 'taking' | 'owned' | 'paused' | 'revoking' | 'gone' = 'taking'
  progress: Progress = new Progress(0)
  /** Read and not handed out, by offset, from #next on: taking the first out of an array of thousands costs as much as handling it. */
  #buffer: KafkaDelivery[] = []
  #next = 0
  /** Handed out and not settled. */
  readonly held: Set<KafkaDelivery> = new Set()
  /** What is read next, of the channel and of the lot. */
  offset = 0
  lotOffset = 0
  /** Everything below was claimed durably, read or not: it may be handed out. */
  claimed = 0
  /** Everything below may have been begun by an owner that died. */
  suspectBefore = 0
  /** Entries of the lot that an owner that died had in hand. */
  suspectEntries: ReadonlySet<string> = new Set()
  /** Its progress is to be committed. */
  dirty = false
  /** Something was written to its lot that was not read back yet. */
  lotWritten = false
  /** Resolves when what was written to its lot before was read back. */
  readBack: Promise<void> = Promise.resolve()
  /** Accepted, and not committed yet. */
  accepted: KafkaDelivery[] = []
  /** Entries of the lot that are done, and not written yet. */
  out: KafkaDelivery[] = []
  /** Messages of the channel handed out and not settled. */
  open = 0
  /** Of all that was read. */
  #seenBytes = 0
  #seenCount = 0
  #bufferBytes = 0

  constructor(index: number, count: number) {
    this.index = index
    this.name = partitionName(index, count)
  }

  get isGone(): boolean {
    return this.state === 'gone'
  }

  /** Size of a message of it, bytes; 0: none was seen. */
  get bytesEach(): number {
    return this.#seenCount === 0 ? 0 : this.#seenBytes / this.#seenCount
  }

  get hasRoom(): boolean {
    return this.#bufferBytes < bufferBytesMax
  }

  lanes(): LotLane[] {
    return this.lot.lanes.describe(this.name)
  }

  /** Records of the channel came. */
  took(records: readonly KafkaRecord[], nextOffset: number, topic: string): void {
    const before = this.progress.watermark
    let expected = this.offset
    for (const record of records) {
      if (record.offset > expected) this.progress.done(expected, record.offset)
      expected = record.offset + 1
      if (!this.progress.isDone(record.offset)) this.#push(record, topic)
    }
    if (nextOffset > expected) this.progress.done(expected, nextOffset)
    this.offset = this.progress.nextOpen(nextOffset)
    if (this.progress.watermark !== before) this.dirty = true
  }

  /** The next that may be handed out, if there is one. */
  peek(): KafkaDelivery | undefined {
    const next = this.#buffer[this.#next]
    return next !== undefined && this.state === 'owned' && next.offset < this.claimed && this.progress.admits(next.offset, this.open) ? next : undefined
  }

  /** Something is ready, but for a claim. */
  get needsClaim(): boolean {
    return this.state === 'owned' && this.#next < this.#buffer.length && (this.#buffer.at(-1)?.offset ?? 0) >= this.claimed
  }

  handOut(): KafkaDelivery {
    const next = this.#buffer[this.#next++] as KafkaDelivery
    if (this.#next === this.#buffer.length || this.#next >= 1_024) {
      this.#buffer = this.#buffer.slice(this.#next)
      this.#next = 0
    }
    this.#bufferBytes -= next.sizeBytes
    this.held.add(next)
    this.open++
    return next
  }

  settle(delivery: KafkaDelivery, state: 'settled' | 'lost'): void {
    if (!this.held.delete(delivery)) return
    delivery.state = state
    if (delivery.entryId === undefined) this.open--
    else {
      const entry = this.lot.entry(delivery.entryId)
      if (entry !== undefined && state === 'lost') entry.isHeld = false
    }
  }

  /** Given back: it is handed out again, before what is newer. */
  release(delivery: KafkaDelivery, nowMs: number): void {
    this.settle(delivery, 'settled')
    if (delivery.entryId !== undefined) {
      const entry = this.lot.entry(delivery.entryId)
      if (entry !== undefined) entry.isHeld = false
      return
    }
    const again: KafkaDelivery = {
      ...delivery,
      state: 'held',
      deliveries: delivery.deliveries + 1,
      firstDeliveredAtMs: delivery.firstDeliveredAtMs ?? nowMs,
    }
    let at = this.#next
    while (at < this.#buffer.length && (this.#buffer[at] as KafkaDelivery).offset < delivery.offset) at++
    this.#buffer.splice(at, 0, again)
    this.#bufferBytes += again.sizeBytes
  }

  /** What was read of a lane and is not settled is back in it. */
  void(lane: Lane): void {
    for (const delivery of [...this.held]) {
      if (delivery.entryId === undefined) continue
      const entry = this.lot.entry(delivery.entryId)
      if (entry === undefined || entry.lane === lane) this.settle(delivery, 'lost')
    }
  }

  /** Entries of a lane, from the first that is not in hand; undefined: it is parked. */
  read(name: string, countMax: number): KafkaDelivery[] | undefined {
    return this.lot.lanes.free(name, countMax, ({ isHeld }) => isHeld)?.map((entry) => this.#fromLot(entry))
  }

  /** Begins anew from the watermark, with nothing in hand. */
  restart(): void {
    for (const delivery of [...this.held]) this.settle(delivery, 'lost')
    this.#buffer = []
    this.#next = 0
    this.#bufferBytes = 0
    this.open = 0
    this.offset = this.progress.watermark
  }

  lose(): void {
    this.state = 'gone'
    this.restart()
  }

  #push(record: KafkaRecord, topic: string): void {
    const read = fromRecord(record, topic)
    const attempts = this.lot.attempts.get(record.offset)
    const isSuspect = record.offset < this.suspectBefore
    this.#buffer.push({
      ...read,
      ...attemptFields(attempts, isSuspect ? read.storedAtMs : undefined),
      partition: this.name,
      deliveries: isSuspect || attempts !== undefined ? 1 : 0,
      suspect: isSuspect,
      fromLot: false,
      owner: this,
      offset: record.offset,
      entryId: undefined,
      redrives: 0,
      state: 'held',
    })
    this.#bufferBytes += read.sizeBytes
    this.#seenBytes += read.sizeBytes
    this.#seenCount++
  }

  #fromLot(entry: LotEntry): KafkaDelivery {
    const { envelope, sizeBytes, storedAtMs, attempts, deliveries, id, offset, redrives } = entry
    const isSuspect = this.suspectEntries.has(id)
    const delivery: KafkaDelivery = {
      envelope,
      ...attemptFields(attempts, deliveries > 0 || isSuspect ? storedAtMs : undefined),
      partition: this.name,
      deliveries,
      suspect: isSuspect,
      storedAtMs,
      sizeBytes,
      fromLot: true,
      owner: this,
      offset,
      entryId: id,
      redrives,
      state: 'held',
    }
    entry.deliveries++
    entry.isHeld = true
    this.held.add(delivery)
    return delivery
  }
}
