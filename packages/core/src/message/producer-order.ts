/**
 * The consumer's half of R4: puts the messages of each producer into the order in which they were stamped, where the
 * transport does not (fact `publishOrder: 'sequence'`). No I/O, no timers: time is passed in.
 *
 *   next number           → deliver, then whatever was held behind it
 *   number and id seen    → repeat: the caller accepts it without handling
 *   a number ahead        → wait for the gap, at most `gapWaitMs` and `heldMax` messages; then deliver past it
 *   new epoch             → deliver what is held of the old one, then wait for number 0 of the new one
 *   anything not proven   → deliver
 *
 * The last line is the rule that decides doubtful cases: a message is dropped only when this instance itself has
 * delivered the same number with the same id and it was not released since. Delivering twice is at-least-once; dropping
 * what nobody handled is a loss. So a number that was skipped, forgotten, of an older epoch or reused with another
 * id (two producers under one name) is delivered, out of order, and counted as `late`.
 *
 * The sender (endpoint/sender/key-sequences.ts) makes a producer of each key, so that whoever reads the key reads all its
 * numbers. State is per partition and gone with it. A consumer that takes a partition over begins with the first number it sees;
 * if its predecessor was waiting for a gap then, that gap is unknown to it, unless the caller stored
 * {@link ProducerOrder.expected} with the held message and passes it to {@link ProducerOrder.restore}.
 */
import type { Envelope } from './envelope.ts'

/** Bounds of {@link ProducerOrder}. */
export interface ProducerOrderOptions {
  /** Longest time a message waits for an earlier one, ms. Default 10,000. */
  readonly gapWaitMs?: number
  /** Messages held over all gaps, at most; keep it under a quarter of the window. Default 250. */
  readonly heldMax?: number
  /** Numbers remembered per producer, to tell repeats: at least what a producer has unconfirmed. Default 512. */
  readonly rememberedMax?: number
  /**
   * Producers remembered over all partitions; the longest idle are forgotten, then their repeats are delivered again.
   * Default 10,000 (with a producer per key, and 512 numbers each, at most some 25 MB).
   */
  readonly producersMax?: number
}

/** Where {@link ProducerOrder.offer} puts its results; made once by the caller and emptied after each batch. */
export interface ProducerOrderOutput<Item> {
  /** To be handled, in this order. */
  readonly deliver: Item[]
  /** Copies of what was delivered already: to be accepted without handling. */
  readonly repeats: Item[]
}

/** Counters since the start. */
export interface ProducerOrderStats {
  readonly held: number
  readonly repeats: number
  readonly gapsFilled: number
  readonly gapsGivenUp: number
  readonly late: number
}

interface Held<Item> {
  readonly item: Item
  readonly idHash: number
  readonly sinceMs: number
}

interface Tracker<Item> {
  epoch: number
  /** Number that comes next. */
  expected: number
  /** Hash of the id delivered under each of the last numbers, at number % length; 0: none. */
  seen: Int32Array
  /** In order of arrival; made when something waits. */
  held: Map<number, Held<Item>>
  lastMs: number
}

// Typed arrays of up to 64 bytes are cheap: V8 keeps them inside the object.
const seenInitial = 16
// Shared by all producers that wait for nothing; never written to.
const noneHeld: Map<number, never> = new Map<number, never>()

/** Orders the messages of producers; see the head of this file. One instance per consumer. */
export class ProducerOrder<Item> {
  readonly #gapWaitMs: number
  readonly #heldMax: number
  readonly #rememberedMax: number
  readonly #producersMax: number
  readonly #partitions: Map<string, Map<string, Tracker<Item>>> = new Map()
  readonly #waiting: Set<Tracker<Item>> = new Set()
  #producers = 0
  #held = 0
  #repeats = 0
  #gapsFilled = 0
  #gapsGivenUp = 0
  #late = 0

  constructor(options: ProducerOrderOptions = {}) {
    this.#gapWaitMs = options.gapWaitMs ?? 10_000
    this.#heldMax = options.heldMax ?? 250
    this.#rememberedMax = options.rememberedMax ?? 512
    this.#producersMax = options.producersMax ?? 10_000
  }

  /** Counters, for metrics. */
  get stats(): ProducerOrderStats {
    return { held: this.#held, repeats: this.#repeats, gapsFilled: this.#gapsFilled, gapsGivenUp: this.#gapsGivenUp, late: this.#late }
  }

  /**
   * Takes one message as it arrived. `redelivered`: the transport delivers this very copy again (it was released or its
   * consumer died), so it is no repeat. `nowMs` is monotonic. A message without a stamp is delivered at once.
   */
  offer(partition: string, envelope: Envelope, item: Item, nowMs: number, redelivered: boolean, out: ProducerOrderOutput<Item>): void {
    const { producerid, producerepoch, producerseq } = envelope
    if (producerid === undefined || producerepoch === undefined || producerseq === undefined) {
      out.deliver.push(item)
      return
    }
    const tracker = this.#tracker(partition, producerid, producerepoch, producerseq)
    tracker.lastMs = nowMs
    if (producerepoch > tracker.epoch) this.#beginEpoch(tracker, producerepoch, 0, out)
    const idHash = hashOf(envelope.id)
    if (producerepoch < tracker.epoch) this.#deliverLate(item, out)
    else if (producerseq === tracker.expected) {
      this.#deliverNext(tracker, item, idHash, out)
      if (tracker.held.size > 0) this.#drain(tracker, out)
    } else if (producerseq > tracker.expected) this.#hold(tracker, producerseq, { item, idHash, sinceMs: nowMs }, redelivered, out)
    else this.#offerOld(tracker, producerseq, item, idHash, redelivered, out)
  }

  /** Gives up gaps that lasted too long. Call at {@link nextDueMs}. */
  expire(nowMs: number, out: ProducerOrderOutput<Item>): void {
    for (const tracker of this.#waiting) {
      for (let oldest = first(tracker.held); oldest !== undefined && oldest.sinceMs + this.#gapWaitMs <= nowMs; oldest = first(tracker.held))
        this.#giveUpGap(tracker, out)
    }
  }

  /** When {@link expire} has something to do, monotonic ms; undefined while nothing waits. */
  nextDueMs(): number | undefined {
    let dueMs: number | undefined
    for (const tracker of this.#waiting) {
      const sinceMs = first(tracker.held)?.sinceMs
      if (sinceMs !== undefined && (dueMs === undefined || sinceMs + this.#gapWaitMs < dueMs)) dueMs = sinceMs + this.#gapWaitMs
    }
    return dueMs
  }

  /** A delivered message was released and will come again: it is no repeat then. */
  released(partition: string, envelope: Envelope): void {
    const tracker = envelope.producerid === undefined ? undefined : this.#partitions.get(partition)?.get(envelope.producerid)
    const seq = envelope.producerseq
    if (
      tracker === undefined ||
      seq === undefined ||
      envelope.producerepoch !== tracker.epoch ||
      seq >= tracker.expected ||
      seq < tracker.expected - tracker.seen.length
    )
      return
    tracker.seen[seq % tracker.seen.length] = 0
  }

  /** The partition is gone: forgets it and returns what was held, which can no longer be settled here. */
  drop(partition: string): Item[] {
    const items: Item[] = []
    for (const tracker of this.#partitions.get(partition)?.values() ?? []) {
      for (const held of tracker.held.values()) items.push(held.item)
      this.#producers--
      this.#held -= tracker.held.size
      this.#waiting.delete(tracker)
    }
    this.#partitions.delete(partition)
    return items
  }

  /** Number that a producer's message waits for: to be stored with a held message, for {@link restore}. */
  expected(partition: string, producerId: string): { readonly epoch: number; readonly seq: number } | undefined {
    const tracker = this.#partitions.get(partition)?.get(producerId)
    return tracker === undefined ? undefined : { epoch: tracker.epoch, seq: tracker.expected }
  }

  /** What a predecessor waited for, before the first message of the producer is offered. Ignored when it is known better. */
  restore(partition: string, producerId: string, epoch: number, seq: number): void {
    if (this.#partitions.get(partition)?.has(producerId) !== true) this.#tracker(partition, producerId, epoch, seq)
  }

  #offerOld(tracker: Tracker<Item>, seq: number, item: Item, idHash: number, redelivered: boolean, out: ProducerOrderOutput<Item>): void {
    const known = seq >= tracker.expected - tracker.seen.length
    if (!redelivered && known && tracker.seen[seq % tracker.seen.length] === idHash) {
      this.#repeats++
      out.repeats.push(item)
      return
    }
    if (known) tracker.seen[seq % tracker.seen.length] = idHash
    this.#deliverLate(item, out)
  }

  #hold(tracker: Tracker<Item>, seq: number, held: Held<Item>, redelivered: boolean, out: ProducerOrderOutput<Item>): void {
    const other = tracker.held.get(seq)
    if (other !== undefined && !redelivered) {
      if (other.idHash === held.idHash) {
        this.#repeats++
        out.repeats.push(held.item)
      } else this.#deliverLate(held.item, out)
      return
    }
    if (other === undefined) this.#held++
    if (tracker.held === noneHeld) tracker.held = new Map()
    tracker.held.set(seq, held)
    this.#waiting.add(tracker)
    if (this.#held > this.#heldMax) this.#giveUpGap(tracker, out)
  }

  #deliverNext(tracker: Tracker<Item>, item: Item, idHash: number, out: ProducerOrderOutput<Item>): void {
    const size = tracker.seen.length
    // Doubles while the ring is full of numbers that may still be repeated.
    if (size < this.#rememberedMax && tracker.expected >= size && tracker.seen[tracker.expected % size] !== 0)
      grow(tracker, Math.min(size * 2, this.#rememberedMax))
    tracker.seen[tracker.expected % tracker.seen.length] = idHash
    tracker.expected++
    out.deliver.push(item)
  }

  #drain(tracker: Tracker<Item>, out: ProducerOrderOutput<Item>): void {
    let held = tracker.held.get(tracker.expected)
    if (held === undefined) return
    this.#gapsFilled++
    for (; held !== undefined; held = tracker.held.get(tracker.expected)) {
      tracker.held.delete(tracker.expected)
      this.#held--
      this.#deliverNext(tracker, held.item, held.idHash, out)
    }
    if (tracker.held.size > 0) return
    this.#waiting.delete(tracker)
    tracker.held = noneHeld as Map<number, Held<Item>>
  }

  #giveUpGap(tracker: Tracker<Item>, out: ProducerOrderOutput<Item>): void {
    let lowest = Number.POSITIVE_INFINITY
    for (const seq of tracker.held.keys()) if (seq < lowest) lowest = seq
    this.#gapsGivenUp++
    this.#skipTo(tracker, lowest)
    // `#drain` counts a filled gap; this one was not.
    this.#gapsFilled--
    this.#drain(tracker, out)
  }

  /** Moves on; the numbers between are not seen, so they are delivered should they come after all. */
  #skipTo(tracker: Tracker<Item>, seq: number): void {
    const size = tracker.seen.length
    if (seq - tracker.expected >= size) tracker.seen.fill(0)
    else for (let skipped = tracker.expected; skipped < seq; skipped++) tracker.seen[skipped % size] = 0
    tracker.expected = seq
  }

  #beginEpoch(tracker: Tracker<Item>, epoch: number, seq: number, out: ProducerOrderOutput<Item>): void {
    while (tracker.held.size > 0) this.#giveUpGap(tracker, out)
    tracker.epoch = epoch
    tracker.expected = seq
    tracker.seen.fill(0)
  }

  #deliverLate(item: Item, out: ProducerOrderOutput<Item>): void {
    this.#late++
    out.deliver.push(item)
  }

  #tracker(partition: string, producerId: string, epoch: number, seq: number): Tracker<Item> {
    let producers = this.#partitions.get(partition)
    if (producers === undefined) {
      producers = new Map()
      this.#partitions.set(partition, producers)
    }
    let tracker = producers.get(producerId)
    if (tracker === undefined) {
      if (this.#producers >= this.#producersMax) this.#forgetIdle()
      this.#producers++
      tracker = { epoch, expected: seq, seen: new Int32Array(Math.min(seenInitial, this.#rememberedMax)), held: noneHeld as Map<number, Held<Item>>, lastMs: 0 }
      producers.set(producerId, tracker)
    }
    return tracker
  }

  /** Forgets the tenth of the producers that were silent the longest and hold nothing. */
  #forgetIdle(): void {
    const idle: { readonly producers: Map<string, Tracker<Item>>; readonly producerId: string; readonly lastMs: number }[] = []
    for (const producers of this.#partitions.values()) {
      for (const [producerId, tracker] of producers) if (tracker.held.size === 0) idle.push({ producers, producerId, lastMs: tracker.lastMs })
    }
    idle.sort((a, b) => a.lastMs - b.lastMs)
    for (const { producers, producerId } of idle.slice(0, Math.ceil(this.#producersMax / 10))) {
      producers.delete(producerId)
      this.#producers--
    }
  }
}

function grow<Item>(tracker: Tracker<Item>, size: number): void {
  const old = tracker.seen
  tracker.seen = new Int32Array(size)
  for (let seq = Math.max(0, tracker.expected - old.length); seq < tracker.expected; seq++) tracker.seen[seq % size] = old[seq % old.length] as number
}

function first<Item>(held: ReadonlyMap<number, Held<Item>>): Held<Item> | undefined {
  for (const one of held.values()) return one
  return undefined
}

/** FNV-1a over UTF-16 code units, never 0. The number must match as well, so 32 bits are plenty. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return hash | 1
}
