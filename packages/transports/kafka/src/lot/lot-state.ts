/**
 * What a partition's parking lot holds, dead letters included, as a state machine: notes go in, in the order of the lot's
 * topic, and whoever reads them comes to the same state. Everything anybody changes is written first and takes effect when
 * it is read back. No I/O here.
 */
import { type Attempts, type DeadLetter, type DeadLetterReason, type Envelope, emptyLane, LotLanes, type WaitingLane } from '@sluice/core/transport'

/** What a record of the lot says beside its message. */
export type LotNote =
  | {
      readonly kind: 'entry'
      readonly id: string
      readonly lane: string
      readonly state: 'suspended' | 'parked'
      readonly dueAtMs: number
      readonly deliveries: number
      readonly redrives: number
      /** Offset in the channel's partition. */
      readonly offset: number
      readonly storedAtMs: number
      readonly attempts?: Attempts
      readonly isBegun?: true
    }
  | { readonly kind: 'lane'; readonly lane: string; readonly state: 'suspended' | 'parked'; readonly dueAtMs: number; readonly parkedBy?: string }
  | { readonly kind: 'due'; readonly lane: string; readonly dueAtMs: number; readonly head?: { readonly id: string; readonly attempts: Attempts } }
  | { readonly kind: 'attempts'; readonly offset: number; readonly attempts: Attempts }
  | { readonly kind: 'entry-attempts'; readonly id: string; readonly attempts: Attempts }
  /** Read by the owner: if it dies, they are suspect. */
  | { readonly kind: 'begun'; readonly ids: readonly string[] }
  /** Given back. */
  | { readonly kind: 'back'; readonly ids: readonly string[] }
  | { readonly kind: 'out'; readonly ids: readonly string[] }
  | {
      readonly kind: 'letter'
      readonly id: string
      readonly lane: string
      readonly park: boolean
      readonly reason: DeadLetterReason
      readonly redrives: number
      readonly offset: number
      readonly storedAtMs: number
      /** The entry of the lot that died. */
      readonly entryId?: string
    }
  | { readonly kind: 'redrive'; readonly ids: readonly string[]; readonly writeId: string }
  | { readonly kind: 'discard'; readonly ids: readonly string[]; readonly writeId: string }
  /** What comes again from the channel: offsets from `from` on, below `to`. */
  | { readonly kind: 'forget'; readonly from: number; readonly to: number }
  /** Everything but dead letters is gone (`all`: these, too, and what comes next is written anew). */
  | { readonly kind: 'clear'; readonly all: boolean }

/** A message that the lot keeps. */
export interface LotMessage {
  readonly envelope: Envelope
  readonly sizeBytes: number
}

/** A message in a lane. */
export interface LotEntry extends LotMessage {
  readonly id: string
  readonly lane: Lane
  readonly offset: number
  readonly storedAtMs: number
  readonly redrives: number
  attempts: Attempts | undefined
  deliveries: number
  /** Its owner had it in hand, as far as was written. */
  isBegun: boolean
  /** It was read here and is not settled. */
  isHeld: boolean
}

/** A lane in the lot. */
export interface Lane extends WaitingLane<LotEntry> {}

/** A dead letter. */
export interface Letter extends LotMessage {
  readonly id: string
  readonly lane: string
  readonly reason: DeadLetterReason
  readonly redrives: number
  readonly offset: number
  readonly storedAtMs: number
}

/** What came of a note: lanes that changed, and for what somebody waits. */
export interface Applied {
  readonly lanes: readonly Lane[]
  /** Lanes of which what was read and not settled is void. */
  readonly voided: readonly Lane[]
  readonly writeId?: string
  readonly count?: number
}

const nothing: Applied = { lanes: [], voided: [] }

/** See the header of this file. */
export class LotState {
  readonly lanes: LotLanes<LotEntry> = new LotLanes()
  readonly letters: Map<string, Letter> = new Map()
  /** Attempts of messages that are not in the lot, by offset. */
  readonly attempts: Map<number, Attempts> = new Map()
  readonly #entries: Map<string, LotEntry> = new Map()
  /** What administrators decided lately, and how often they did, as far as it was read by this process. */
  #decisions: LotNote[] = []
  decided = 0
  /** Notes since it was last tidied. */
  #notes = 0

  /** Entries in all lanes. */
  get count(): number {
    return this.#entries.size
  }

  /** Most of what was written has no meaning any more. */
  get isUntidy(): boolean {
    return this.#notes > 500 && this.#notes > 4 * (this.#entries.size + this.letters.size + this.lanes.size + this.attempts.size)
  }

  /** The last of what administrators decided. */
  decisionsSince(decided: number): readonly LotNote[] {
    return decided === this.decided ? [] : this.#decisions.slice(decided - this.decided)
  }

  entry(id: string): LotEntry | undefined {
    return this.#entries.get(id)
  }

  entries(): IterableIterator<LotEntry> {
    return this.#entries.values()
  }

  apply(note: LotNote, message: LotMessage | undefined): Applied {
    this.#notes++
    switch (note.kind) {
      case 'entry':
        return message === undefined ? nothing : this.#entry(note, message)
      case 'lane':
        return this.#lane(note)
      case 'due':
        return this.#due(note)
      case 'attempts':
        this.attempts.set(note.offset, note.attempts)
        return nothing
      case 'entry-attempts': {
        const entry = this.#entries.get(note.id)
        if (entry !== undefined) entry.attempts = note.attempts
        return nothing
      }
      case 'begun':
      case 'back':
        for (const id of note.ids) {
          const entry = this.#entries.get(id)
          if (entry !== undefined) entry.isBegun = note.kind === 'begun'
        }
        return nothing
      case 'out':
        return { lanes: note.ids.flatMap((id) => this.#remove(id)), voided: [] }
      case 'letter':
        return message === undefined ? nothing : this.#letter(note, message)
      case 'redrive':
        this.#decide(note)
        return this.#redrive(note.ids, note.writeId)
      case 'discard':
        this.#decide(note)
        return this.#discard(note.ids, note.writeId)
      case 'forget':
        return this.#forget(note.from, note.to)
      case 'clear':
        return this.#clear(note.all)
    }
  }

  /** Dead letters as an administrator sees them. */
  deadLetters(): DeadLetter[] {
    return [...this.letters.values()].map(({ id, lane, envelope, reason, redrives }) => {
      return { deadLetterId: id, envelope, reason, redrives, parkedBehind: this.lanes.countBehind(lane, id) }
    })
  }

  /** The state as notes, the shortest that come to it: for tidying up. `isDone`: offsets whose attempts need not be kept. */
  *rewritten(isDone: (offset: number) => boolean): Generator<readonly [note: LotNote, message?: LotMessage]> {
    yield [{ kind: 'clear', all: true }]
    for (const { id, lane, reason, redrives, offset, storedAtMs, envelope, sizeBytes } of this.letters.values())
      yield [
        { kind: 'letter', id, lane, park: false, reason, redrives, offset, storedAtMs },
        { envelope, sizeBytes },
      ]
    for (const { name, state, dueAtMs, parkedBy, entries } of this.lanes.values()) {
      yield [{ kind: 'lane', lane: name, state, dueAtMs, ...(parkedBy === undefined ? {} : { parkedBy }) }]
      for (const { id, offset, storedAtMs, redrives, deliveries, attempts, isBegun, envelope, sizeBytes } of entries)
        yield [
          {
            ...{ kind: 'entry', id, lane: name, state, dueAtMs, deliveries, redrives, offset, storedAtMs },
            ...(attempts === undefined ? {} : { attempts }),
            ...(isBegun ? { isBegun } : {}),
          },
          { envelope, sizeBytes },
        ]
    }
    for (const [offset, attempts] of this.attempts) if (!isDone(offset)) yield [{ kind: 'attempts', offset, attempts }]
  }

  #entry(note: LotNote & { kind: 'entry' }, { envelope, sizeBytes }: LotMessage): Applied {
    const lane = this.lanes.get(note.lane) ?? this.#make(note.lane, note.state, note.dueAtMs)
    const { id, offset, storedAtMs, redrives, deliveries } = note
    const known = this.#entries.get(id)
    // Written again, for it was not known whether the first time counted.
    if (known?.lane === lane) return nothing
    const attempts = note.attempts ?? this.attempts.get(offset)
    this.attempts.delete(offset)
    const entry: LotEntry = {
      id,
      lane,
      envelope,
      sizeBytes,
      offset,
      storedAtMs,
      redrives,
      attempts,
      deliveries,
      isBegun: note.isBegun === true,
      isHeld: known?.isHeld ?? false,
    }
    lane.entries.push(entry)
    this.#entries.set(id, entry)
    return { lanes: [lane], voided: [] }
  }

  #lane({ lane: name, state, dueAtMs, parkedBy }: LotNote & { kind: 'lane' }): Applied {
    const lane = this.lanes.get(name) ?? this.#make(name, state, dueAtMs)
    lane.state = state
    lane.dueAtMs = dueAtMs
    lane.parkedBy = parkedBy
    return { lanes: [lane], voided: [] }
  }

  #due({ lane: name, dueAtMs, head }: LotNote & { kind: 'due' }): Applied {
    const lane = this.lanes.get(name)
    if (lane === undefined) return nothing
    lane.dueAtMs = dueAtMs
    const entry = head === undefined ? undefined : this.#entries.get(head.id)
    if (entry !== undefined && head !== undefined) entry.attempts = head.attempts
    return { lanes: [lane], voided: [lane] }
  }

  #letter(note: LotNote & { kind: 'letter' }, { envelope, sizeBytes }: LotMessage): Applied {
    const { id, lane: name, reason, redrives, offset, storedAtMs, park, entryId } = note
    this.letters.set(id, { id, lane: name, reason, redrives, offset, storedAtMs, envelope, sizeBytes })
    this.attempts.delete(offset)
    let parked: Lane | undefined
    if (park) {
      parked = this.lanes.get(name) ?? this.#make(name, 'parked', 0)
      this.lanes.park(parked, id)
    }
    const changed = entryId === undefined ? [] : this.#remove(entryId)
    return { lanes: parked === undefined ? changed : [parked], voided: parked === undefined ? [] : [parked] }
  }

  #redrive(ids: readonly string[], writeId: string): Applied {
    const changed = new Set<Lane>()
    let count = 0
    for (const id of ids) {
      const letter = this.letters.get(id)
      if (letter === undefined) continue
      this.letters.delete(id)
      count++
      const { envelope, sizeBytes, offset, storedAtMs, redrives } = letter
      const lane = this.lanes.get(letter.lane) ?? this.#make(letter.lane, 'suspended', 0)
      const fresh = { attempts: undefined, deliveries: 0, isBegun: false, isHeld: false }
      const entry: LotEntry = { id, lane, envelope, sizeBytes, offset, storedAtMs, redrives: redrives + 1, ...fresh }
      this.lanes.putBack(lane, entry, id, (other) => other.offset > offset)
      this.#entries.set(id, entry)
      changed.add(lane)
    }
    return { lanes: [...changed], voided: [], writeId, count }
  }

  #discard(ids: readonly string[], writeId: string): Applied {
    const changed: Lane[] = []
    let count = 0
    for (const id of ids) {
      const letter = this.letters.get(id)
      if (letter === undefined) continue
      this.letters.delete(id)
      count++
      const lane = this.lanes.letGo(letter.lane, id)
      if (lane !== undefined) changed.push(lane)
    }
    return { lanes: changed, voided: [], writeId, count }
  }

  #forget(from: number, to: number): Applied {
    const isMeant = (offset: number): boolean => offset >= from && offset < to
    const lanes = new Set<Lane>()
    for (const { id, lane, offset } of [...this.#entries.values()])
      if (isMeant(offset)) {
        lanes.add(lane)
        this.#remove(id)
      }
    for (const { id, offset } of [...this.letters.values()]) if (isMeant(offset)) for (const lane of this.#discard([id], '').lanes) lanes.add(lane)
    for (const offset of [...this.attempts.keys()]) if (isMeant(offset)) this.attempts.delete(offset)
    return { lanes: [...lanes], voided: [...lanes] }
  }

  #decide(note: LotNote): void {
    this.decided++
    this.#decisions = [...this.#decisions.slice(-99), note]
  }

  #clear(all: boolean): Applied {
    const lanes = [...this.lanes.values()]
    this.lanes.clear()
    this.attempts.clear()
    if (all) {
      // Held ones are written anew behind it, under the same ids.
      this.letters.clear()
      this.#notes = 0
      for (const { id, isHeld } of this.#entries.values()) if (!isHeld) this.#entries.delete(id)
      return nothing
    }
    this.#entries.clear()
    return { lanes: [], voided: lanes }
  }

  #remove(id: string): Lane[] {
    const entry = this.#entries.get(id)
    if (entry === undefined) return []
    const { lane } = entry
    this.#entries.delete(id)
    this.lanes.remove(lane, entry)
    return [lane]
  }

  #make(name: string, state: 'suspended' | 'parked', dueAtMs: number): Lane {
    return this.lanes.add(emptyLane(name, state, dueAtMs))
  }
}
