/**
 * What waits for its time in one partition of the topic of delayed messages, as a state machine: records go in, in the order of
 * the topic, and whoever reads them comes to the same state. Who moves a message on says before under which number he stores it
 * (a claim); the brokers know the number again, so anybody may finish what another one began, and it is stored once. No I/O here.
 */
import type { NotedMessage } from '../note-record.ts'

/** What a record says beside its message. */
export type LaterNote =
  /** A message waits. `of`: a copy of the record at this offset, so that what is before can be deleted; `order`: offset of the first record of it. */
  | {
      readonly kind: 'wait'
      readonly id: string
      readonly channel: string
      readonly messageId: string
      readonly dueAtMs: number
      readonly of?: number
      readonly order?: number
    }
  /** The message is not wanted any more. */
  | { readonly kind: 'cancel'; readonly channel: string; readonly messageId: string; readonly writeId: string }
  /** What of these still waits is stored now, in this order: by this producer, from these sequence numbers on (by partition of the channel). */
  | {
      readonly kind: 'claim'
      readonly id: string
      readonly channel: string
      readonly entries: readonly string[]
      readonly producer: { readonly id: string; readonly epoch: number }
      readonly sequences: Readonly<Record<number, number>>
    }
  /** What a claim named is in its channel. */
  | { readonly kind: 'gone'; readonly claim: string; readonly entries: readonly string[] }
  /** The brokers do not take the claim's numbers: what it named waits again. */
  | { readonly kind: 'void'; readonly claim: string }
  /** What is below `before` is deleted now: what waits was copied. `dead`: copies that were written when it was over with their message. */
  | { readonly kind: 'tidied'; readonly before: number; readonly dead: readonly string[] }

/** A message that waits, or is claimed. */
export interface LaterEntry {
  readonly id: string
  readonly channel: string
  readonly messageId: string
  readonly dueAtMs: number
  /** What is due at once goes in this order. */
  readonly order: number
  /** Not kept by who only counts. */
  readonly message: NotedMessage | undefined
  /** Of the last record of it that counts. */
  position: number
  isClaimed: boolean
}

/** Messages that somebody stores, or began to. */
export interface Claim {
  readonly id: string
  readonly channel: string
  readonly entries: readonly LaterEntry[]
  readonly producer: { readonly id: bigint; readonly epoch: number }
  readonly sequences: Readonly<Record<number, number>>
}

interface Line {
  waiting: LaterEntry[]
  isSorted: boolean
  /** In the order in which they are stored. */
  claims: Claim[]
}

/** Fewer notes than this are never tidied. */
const tidyMin = 1_000

/** See the header of this file. */
export class LaterState {
  readonly #start: number
  readonly #entries: Map<string, LaterEntry> = new Map()
  readonly #lines: Map<string, Line> = new Map()
  #dead: string[] = []
  #tidiedBefore = 0
  #notes = 0
  #bytes = 0

  /** `start`: offset of the first record that is read. */
  constructor(start: number) {
    this.#start = start
  }

  /** Messages, and their bytes. */
  get count(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Most of what was written has no meaning any more. */
  get isUntidy(): boolean {
    return this.#notes > tidyMin && this.#notes > 4 * this.#entries.size
  }

  /** Copies that came too late, since it was last tidied. */
  get dead(): readonly string[] {
    return this.#dead
  }

  channels(): IterableIterator<string> {
    return this.#lines.keys()
  }

  entries(): IterableIterator<LaterEntry> {
    return this.#entries.values()
  }

  /** How many of a channel wait; what is claimed is on its way. */
  waiting(channel: string): number {
    return this.#lines.get(channel)?.waiting.length ?? 0
  }

  /** What of a channel is to be stored first of all. */
  claim(channel: string): Claim | undefined {
    return this.#lines.get(channel)?.claims[0]
  }

  /** How many claims of a channel are open. */
  claims(channel: string): number {
    return this.#lines.get(channel)?.claims.length ?? 0
  }

  /** A claim, if anything came of it. */
  claimOf(channel: string, id: string): Claim | undefined {
    return this.#lines.get(channel)?.claims.find((claim) => claim.id === id)
  }

  /** Those on their way, by channel. */
  claimed(channel: string): number {
    return this.#lines.get(channel)?.claims.reduce((sum, { entries }) => sum + entries.length, 0) ?? 0
  }

  /** When the next of a channel is due; Infinity: nothing waits. */
  nextDueMs(channel: string): number {
    return this.#sorted(channel)[0]?.dueAtMs ?? Number.POSITIVE_INFINITY
  }

  /** What of a channel is due, in order: at least one if there is one, and of no more bytes than that beyond it. */
  due(channel: string, nowMs: number, bytesMax: number, extraBytes: number): readonly LaterEntry[] {
    const found: LaterEntry[] = []
    let bytes = 0
    for (const entry of this.#sorted(channel)) {
      bytes += (entry.message?.sizeBytes ?? 0) + extraBytes
      if (entry.dueAtMs > nowMs || (found.length > 0 && bytes > bytesMax)) break
      found.push(entry)
    }
    return found
  }

  /** Everything that counts was written at this offset or later; `end`: nothing does. */
  firstPosition(end: number): number {
    let first = end
    for (const { position } of this.#entries.values()) first = Math.min(first, position)
    return first
  }

  /** Applies a record. The number of messages that a cancellation took away. */
  apply(note: LaterNote, message: NotedMessage | undefined, offset: number): number {
    this.#notes++
    switch (note.kind) {
      case 'wait':
        this.#wait(note, message, offset)
        return 0
      case 'cancel':
        return this.#cancel(note.channel, note.messageId)
      case 'claim':
        this.#claim(note)
        return 0
      case 'gone':
        for (const line of this.#lines.values()) line.claims = line.claims.filter(({ id }) => id !== note.claim)
        this.#remove(note.entries)
        return 0
      case 'void':
        this.#void(note.claim)
        return 0
      case 'tidied':
        this.#tidiedBefore = Math.max(this.#tidiedBefore, note.before)
        this.#remove(note.dead)
        this.#dead = this.#dead.filter((id) => !note.dead.includes(id))
        this.#notes = this.#entries.size
        return 0
    }
  }

  #wait(note: LaterNote & { kind: 'wait' }, message: NotedMessage | undefined, offset: number): void {
    const { id, channel, messageId, dueAtMs, of, order = offset } = note
    const known = this.#entries.get(id)
    if (known !== undefined) {
      if (!known.isClaimed) known.position = offset
      return
    }
    // What it is a copy of was read here, or deleted as nothing worth: it is over with it.
    if (of !== undefined && (of >= this.#start || of < this.#tidiedBefore)) {
      this.#dead.push(id)
      return
    }
    const entry: LaterEntry = { id, channel, messageId, dueAtMs, order, message, position: offset, isClaimed: false }
    this.#entries.set(id, entry)
    this.#bytes += message?.sizeBytes ?? 0
    this.#put(entry)
  }

  #cancel(channel: string, messageId: string): number {
    const found = this.#lines.get(channel)?.waiting.filter((entry) => entry.messageId === messageId) ?? []
    this.#remove(found.map(({ id }) => id))
    return found.length
  }

  #claim({ id, channel, entries: ids, producer, sequences }: LaterNote & { kind: 'claim' }): void {
    const entries = ids.flatMap((one) => {
      const entry = this.#entries.get(one)
      return entry === undefined || entry.isClaimed || entry.channel !== channel ? [] : [entry]
    })
    if (entries.length === 0) return
    for (const entry of entries) entry.isClaimed = true
    const line = this.#line(channel)
    line.waiting = line.waiting.filter(({ isClaimed }) => !isClaimed)
    line.claims.push({ id, channel, entries, producer: { id: BigInt(producer.id), epoch: producer.epoch }, sequences })
  }

  #void(claim: string): void {
    for (const line of this.#lines.values()) {
      const found = line.claims.find(({ id }) => id === claim)
      if (found === undefined) continue
      line.claims = line.claims.filter((one) => one !== found)
      for (const entry of found.entries) {
        entry.isClaimed = false
        this.#put(entry)
      }
    }
  }

  #remove(ids: readonly string[]): void {
    const channels = new Set<string>()
    for (const id of ids) {
      const entry = this.#entries.get(id)
      if (entry === undefined) continue
      this.#entries.delete(id)
      this.#bytes -= entry.message?.sizeBytes ?? 0
      if (!entry.isClaimed) channels.add(entry.channel)
    }
    for (const channel of channels) {
      const line = this.#line(channel)
      line.waiting = line.waiting.filter(({ id }) => this.#entries.has(id))
    }
  }

  #put(entry: LaterEntry): void {
    const line = this.#line(entry.channel)
    line.waiting.push(entry)
    line.isSorted = false
  }

  #sorted(channel: string): readonly LaterEntry[] {
    const line = this.#lines.get(channel)
    if (line === undefined) return []
    if (!line.isSorted) line.waiting.sort((a, b) => a.dueAtMs - b.dueAtMs || a.order - b.order)
    line.isSorted = true
    return line.waiting
  }

  #line(channel: string): Line {
    let line = this.#lines.get(channel)
    if (line === undefined) {
      line = { waiting: [], isSorted: true, claims: [] }
      this.#lines.set(channel, line)
    }
    return line
  }
}
