import type { Clock, Timer } from './clock.ts'

interface Pending {
  dueMs: number
  order: number
  callback: () => void
}

/** A clock that stands still until it is moved; wall and monotonic time can be moved apart. */
export class ManualClock implements Clock {
  #wallMs: number
  #monoMs = 0
  #order = 0
  readonly #pending: Set<Pending> = new Set()

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs
  }

  nowMs(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monoMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const pending = { dueMs: this.#monoMs + Math.max(0, delayMs), order: this.#order++, callback }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** Moves both times forward and fires, in order, every timer that falls due on the way. */
  advance(ms: number): void {
    const endMs = this.#monoMs + ms
    for (;;) {
      let next: Pending | undefined
      for (const p of this.#pending)
        if (p.dueMs <= endMs && (next === undefined || p.dueMs < next.dueMs || (p.dueMs === next.dueMs && p.order < next.order))) next = p
      if (next === undefined) break
      this.#pending.delete(next)
      this.#wallMs += next.dueMs - this.#monoMs
      this.#monoMs = next.dueMs
      next.callback()
    }
    this.#wallMs += endMs - this.#monoMs
    this.#monoMs = endMs
  }

  /** How far the next timer is, ms; undefined when none is set. */
  get nextTimerMs(): number | undefined {
    let dueMs = Number.POSITIVE_INFINITY
    for (const pending of this.#pending) dueMs = Math.min(dueMs, pending.dueMs)
    return dueMs === Number.POSITIVE_INFINITY ? undefined : Math.max(0, dueMs - this.#monoMs)
  }

  /** Sets the wall clock only, as an administrator or NTP would; timers do not fire. */
  jumpTo(wallMs: number): void {
    this.#wallMs = wallMs
  }
}
