/** Collects entries for batch handlers: until a batch is full or its oldest entry has waited `waitMs` (a maximum age, no debounce). */
import type { HandlerBinding } from './binding.ts'
import type { Entry } from './handler-call.ts'

/** Entries on their way to one batch handler. */
export class Gathering {
  readonly binding: HandlerBinding
  readonly size: number
  entries: Entry[] = []
  /** When it must run, monotonic ms. */
  dueMs: number = Number.POSITIVE_INFINITY

  constructor(binding: HandlerBinding, size: number) {
    this.binding = binding
    this.size = size
  }

  get full(): boolean {
    return this.entries.length >= this.size
  }
}

/** The gatherings of one group, one a batch handler. */
export class Batching {
  readonly #gatherings: Map<HandlerBinding, Gathering> = new Map()
  /** Entries gathered and not run yet. */
  count = 0

  /** Adds an entry; true: its batch is full. */
  add(entry: Entry, binding: HandlerBinding, nowMs: number): boolean {
    let gathering = this.#gatherings.get(binding)
    if (gathering === undefined) {
      gathering = new Gathering(binding, binding.batch?.size ?? 1)
      this.#gatherings.set(binding, gathering)
    }
    if (gathering.entries.length === 0) gathering.dueMs = nowMs + (binding.batch?.waitMs ?? 0)
    gathering.entries.push(entry)
    entry.run = gathering
    this.count++
    return gathering.full
  }

  /** A batch that is full or old enough, taken out; or undefined. */
  takeRipe(nowMs: number): { readonly binding: HandlerBinding; readonly entries: Entry[] } | undefined {
    if (this.count === 0) return undefined
    for (const gathering of this.#gatherings.values()) {
      if (gathering.entries.length === 0 || (!gathering.full && gathering.dueMs > nowMs)) continue
      const entries = gathering.entries
      gathering.entries = []
      gathering.dueMs = Number.POSITIVE_INFINITY
      this.count -= entries.length
      return { binding: gathering.binding, entries }
    }
    return undefined
  }

  /** When the next batch is old enough, monotonic ms; Infinity: none. */
  get nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY
    if (this.count > 0) for (const gathering of this.#gatherings.values()) if (gathering.dueMs < nextMs) nextMs = gathering.dueMs
    return nextMs
  }

  /** Takes out the entries that match, in order. */
  remove(matches: (entry: Entry) => boolean): Entry[] {
    const removed: Entry[] = []
    if (this.count === 0) return removed
    for (const gathering of this.#gatherings.values()) {
      const left: Entry[] = []
      for (const entry of gathering.entries) (matches(entry) ? removed : left).push(entry)
      gathering.entries = left
      if (left.length === 0) gathering.dueMs = Number.POSITIVE_INFINITY
    }
    this.count -= removed.length
    return removed
  }
}
