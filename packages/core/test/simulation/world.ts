/** Time, chance and memory of one simulated run: events in order of simulated time, a seeded generator, and a trace. */
import { type Random, seededRandom } from '../../src/clock/index.ts'

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** See the header of this file. */
export class World {
  readonly random: Random
  /** Simulated monotonic time, ms. */
  nowMs = 1_000
  /** Wall clock minus monotonic time, ms; faults change it. */
  wallOffsetMs = 1_700_000_000_000
  readonly violations: string[] = []
  /** Kept only when a seed is replayed. */
  readonly trace: string[] | undefined
  readonly #events: Event[] = []
  #order = 0

  constructor(seed: number, traced: boolean) {
    this.random = seededRandom(seed)
    this.trace = traced ? [] : undefined
  }

  get wallMs(): number {
    return this.nowMs + this.wallOffsetMs
  }

  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1))
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)]
  }

  log(what: () => string): void {
    this.trace?.push(`${String(this.nowMs).padStart(7)} ${what()}`)
  }

  violation(what: string): void {
    this.violations.push(`${what} (at ${this.nowMs} ms)`)
    this.log(() => `VIOLATION ${what}`)
  }

  /** Runs something after `delayMs`; things of one instant run in the order they were asked for. */
  after(delayMs: number, run: () => void): void {
    const event = { atMs: this.nowMs + delayMs, order: this.#order++, run }
    const events = this.#events
    let index = events.length
    events.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const other = events[parent] as Event
      if (before(other, event)) break
      events[index] = other
      index = parent
    }
    events[index] = event
  }

  /** Runs the next event; false: there is none before `untilMs`. */
  step(untilMs: number): boolean {
    const first = this.#events[0]
    if (first === undefined || first.atMs > untilMs) return false
    const last = this.#events.pop() as Event
    if (this.#events.length > 0) this.#sink(last)
    this.nowMs = first.atMs
    first.run()
    return true
  }

  #sink(item: Event): void {
    const events = this.#events
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= events.length) break
      if (child + 1 < events.length && before(events[child + 1] as Event, events[child] as Event)) child++
      if (before(item, events[child] as Event)) break
      events[index] = events[child] as Event
      index = child
    }
    events[index] = item
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
