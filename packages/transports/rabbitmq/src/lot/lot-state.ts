/**
 * What a partition's parking lot holds, as its owner sees it. The lot is a queue that the owner alone consumes and whose
 * messages it settles only when they have become void: entries (copies of messages), and notes about lanes and attempts.
 * Everything anybody changes is written to the queue first and takes effect when it comes back from it, so whoever reads
 * the queue from its beginning comes to the same state. No I/O here: tags go out that may be settled.
 */
import { type Attempts, type Envelope, emptyLane, LotLanes, type WaitingLane } from '@sluice/core/transport'

/** What a message of the lot's queue says beside its body. */
export type LotNote =
  | {
      readonly kind: 'entry'
      readonly lane: string
      readonly state: 'suspended' | 'parked'
      readonly dueAtMs: number
      readonly progress?: Attempts
      readonly deliveries: number
      readonly redrives: number
    }
  | { readonly kind: 'redriven'; readonly lane: string; readonly letterId: string; readonly order: string; readonly redrives: number }
  | {
      readonly kind: 'lane'
      readonly lane: string
      readonly state: 'suspended' | 'parked'
      readonly dueAtMs: number
      /** Dead letter that it is parked behind, and the message that died. */
      readonly parkedBy?: string
      readonly deadId?: string
      readonly head?: { readonly id: string; readonly progress: Attempts }
      /** It says again what an earlier note came to: what was read of the lane meanwhile stays with whoever read it. */
      readonly restates?: true
    }
  | { readonly kind: 'progress'; readonly id: string; readonly progress: Attempts }
  | { readonly kind: 'discarded'; readonly lane: string; readonly letterId: string }

/** A message in the lot. */
export interface LotEntry {
  readonly lane: Lane
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
  readonly tag: number
  readonly redrives: number
  /** Of a redriven one: its place among them. */
  readonly order: string | undefined
  progress: Attempts | undefined
  progressTag: number | undefined
  deliveries: number
  /** It was read and is not settled. */
  isHeld: boolean
}

/** A lane in the lot. */
export interface Lane extends WaitingLane<LotEntry> {
  /** Message of the dead letter that it is parked behind. */
  deadId: string | undefined
  /** Of the notes that its state comes from. */
  tags: number[]
}

/** What came of a message: tags that are void now, the lane that changed, and whether its state must be written down. */
export interface Applied {
  readonly void: readonly number[]
  readonly lane?: Lane
  readonly rewrite?: boolean
}

/** The message that a note came with. */
export interface LotMessage {
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
}

/**
 * What a partition's lot holds at most, in entries and bytes: all of it is in its owner's memory. Beyond, nothing more is
 * moved into it: the lanes that would are held, and the group stands still when its window is full of them. With the notes about
 * them they must be fewer than a consumer can have unsettled (65,535).
 */
export const lotMax: { readonly count: number; readonly bytes: number } = { count: 50_000, bytes: 256 * 1024 * 1024 }

const none: readonly number[] = []

/** See the header of this file. */
export class LotState {
  readonly lanes: LotLanes<LotEntry, Lane> = new LotLanes()
  /** Attempts of messages that are not in the lot, by message id. */
  readonly #progress: Map<string, { readonly progress: Attempts; readonly tag: number }> = new Map()

  #count = 0
  #bytes = 0

  /** Entries in all lanes. */
  get count(): number {
    return this.#count
  }

  /** Their attributes and bodies. */
  get bytes(): number {
    return this.#bytes
  }

  progressOf(id: string): Attempts | undefined {
    // Asked for each message: to look an id up means to hash it.
    return this.#progress.size === 0 ? undefined : this.#progress.get(id)?.progress
  }

  /** The message outside the lot is settled: its progress is void. */
  forget(id: string): readonly number[] {
    if (this.#progress.size === 0) return none
    const known = this.#progress.get(id)
    this.#progress.delete(id)
    return known === undefined ? none : [known.tag]
  }

  /** Whether a message that comes again from its partition is in the lot, or dead, already: its first owner died over the move. */
  knows(id: string): boolean {
    for (const lane of this.lanes.values()) if (lane.deadId === id || lane.entries.some(({ envelope }) => envelope.id === id)) return true
    return false
  }

  apply(note: LotNote, message: LotMessage | undefined, tag: number): Applied {
    switch (note.kind) {
      case 'entry':
        return message === undefined ? { void: [tag] } : this.#entry(note, message, tag)
      case 'redriven':
        return message === undefined ? { void: [tag] } : this.#redriven(note, message, tag)
      case 'lane':
        return this.#lane(note, tag)
      case 'progress':
        return this.#progressed(note, tag)
      case 'discarded':
        return this.#discarded(note, tag)
    }
  }

  /** An entry is out of the lot: tags that are void with it. */
  remove(entry: LotEntry): readonly number[] {
    const { lane } = entry
    if (!lane.entries.includes(entry)) return []
    const isGone = this.lanes.remove(lane, entry)
    this.#count--
    this.#bytes -= entry.sizeBytes
    entry.isHeld = false
    const tags = [entry.tag, ...(entry.progressTag === undefined ? [] : [entry.progressTag])]
    return isGone ? [...tags, ...lane.tags] : tags
  }

  #entry(note: LotNote & { kind: 'entry' }, message: LotMessage, tag: number): Applied {
    const known = this.lanes.get(note.lane)
    if (known?.entries.some(({ envelope }) => envelope.id === message.envelope.id) === true && note.lane.startsWith('key:')) return { void: [tag] }
    const lane = known ?? this.#make(note.lane, note.state, note.dueAtMs)
    const earlier = this.#progress.get(message.envelope.id)
    this.#progress.delete(message.envelope.id)
    const { redrives, deliveries } = note
    const progress = note.progress ?? earlier?.progress
    this.#add(message)
    lane.entries.push({ ...message, lane, tag, redrives, deliveries, order: undefined, progress, progressTag: undefined, isHeld: false })
    return { void: earlier === undefined ? [] : [earlier.tag], lane }
  }

  #redriven(note: LotNote & { kind: 'redriven' }, message: LotMessage, tag: number): Applied {
    const lane = this.lanes.get(note.lane) ?? this.#make(note.lane, 'suspended', 0)
    const { redrives, order } = note
    const entry: LotEntry = { ...message, lane, tag, redrives, order, deliveries: 0, progress: undefined, progressTag: undefined, isHeld: false }
    this.#add(message)
    const opens = this.lanes.putBack(lane, entry, note.letterId, (other) => other.order === undefined || other.order > order)
    if (opens) lane.deadId = undefined
    return { void: [], lane, rewrite: opens }
  }

  #lane(note: LotNote & { kind: 'lane' }, tag: number): Applied {
    const lane = this.lanes.get(note.lane) ?? this.#make(note.lane, note.state, note.dueAtMs)
    const tags = lane.tags
    lane.tags = [tag]
    lane.state = note.state
    lane.dueAtMs = note.dueAtMs
    lane.parkedBy = note.parkedBy
    lane.deadId = note.deadId
    const head = lane.entries[0]
    if (note.head !== undefined && head?.envelope.id === note.head.id) head.progress = note.head.progress
    return { void: this.lanes.goesIfEmpty(lane) ? [...tags, tag] : tags, lane }
  }

  #progressed({ id, progress }: LotNote & { kind: 'progress' }, tag: number): Applied {
    for (const lane of this.lanes.values())
      for (const entry of lane.entries)
        if (entry.envelope.id === id) {
          const old = entry.progressTag
          entry.progress = progress
          entry.progressTag = tag
          return { void: old === undefined ? [] : [old] }
        }
    const old = this.forget(id)
    this.#progress.set(id, { progress, tag })
    return { void: old }
  }

  #discarded({ lane: name, letterId }: LotNote & { kind: 'discarded' }, tag: number): Applied {
    const lane = this.lanes.letGo(name, letterId)
    if (lane === undefined) return { void: [tag] }
    lane.deadId = undefined
    if (lane.entries.length === 0) return { void: [tag, ...lane.tags], lane }
    lane.tags.push(tag)
    return { void: [], lane, rewrite: true }
  }

  #add({ sizeBytes }: LotMessage): void {
    this.#count++
    this.#bytes += sizeBytes
  }

  #make(name: string, state: 'suspended' | 'parked', dueAtMs: number): Lane {
    return this.lanes.add({ ...emptyLane<LotEntry>(name, state, dueAtMs), deadId: undefined, tags: [] })
  }
}
