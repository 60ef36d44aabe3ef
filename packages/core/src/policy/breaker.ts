/**
 * Circuit breaker and kill switch: both count bad outcomes among all within a sliding window, stop a group when they
 * prevail, and try with one message after a while. They differ in what is bad: a failed attempt (the breaker spares a
 * struggling database further calls), or a message given up (the kill switch keeps a group that fails wholesale from
 * emptying its queue into the dead letters).
 */
import { checkNumber } from './option.ts'

/** When a group stops, and for how long. */
export interface BreakerOptions {
  /** Bad outcomes within the window before it may trip. */
  readonly count: number
  /** Share of bad outcomes among all of the window before it may trip, 0–1. */
  readonly share: number
  /** ms. */
  readonly windowMs: number
  /** How long it stays open before one message is tried, ms. */
  readonly openMs: number
}

/** Circuit breaker, off unless asked for: 10 failed attempts, half of all, within 10 s, stop the group for 5 s. */
export const circuitBreakerDefaults: BreakerOptions = { count: 10, share: 0.5, windowMs: 10_000, openMs: 5_000 }
/** Kill switch, on unless switched off: 100 messages given up, half of all, within 60 s, stop the group for 60 s. */
export const killSwitchDefaults: BreakerOptions = { count: 100, share: 0.5, windowMs: 60_000, openMs: 60_000 }

/** Fills in defaults and checks; throws INVALID_OPTION. */
export function breakerOptions(name: 'circuitBreaker' | 'killSwitch', options: Partial<BreakerOptions>): BreakerOptions {
  const defaults = name === 'killSwitch' ? killSwitchDefaults : circuitBreakerDefaults
  return {
    count: checkNumber(`${name}.count`, options.count ?? defaults.count, 1, 1e9, true),
    share: checkNumber(`${name}.share`, options.share ?? defaults.share, 0, 1),
    windowMs: checkNumber(`${name}.windowMs`, options.windowMs ?? defaults.windowMs, 1, 86_400_000),
    openMs: checkNumber(`${name}.openMs`, options.openMs ?? defaults.openMs, 1, 86_400_000),
  }
}

const slots = 10

/**
 * closed → open when bad outcomes prevail → half-open after `openMs`: one trial → closed when it is good, open when bad.
 * Time is monotonic ms.
 */
export class Breaker {
  readonly #options: BreakerOptions
  #state: 'closed' | 'open' | 'half-open' = 'closed'
  #untilMs = 0
  /** The trial of the half-open state began then; without an outcome for `openMs` another one is allowed. */
  #trialAtMs = Number.NEGATIVE_INFINITY
  readonly #good: number[] = new Array<number>(slots).fill(0)
  readonly #bad: number[] = new Array<number>(slots).fill(0)
  #slot = 0
  #slotEndMs: number

  constructor(options: BreakerOptions, nowMs: number) {
    this.#options = options
    this.#slotEndMs = nowMs + options.windowMs / slots
  }

  get state(): 'closed' | 'open' | 'half-open' {
    return this.#state
  }

  /** Whether a message may start; `began` tells that it did. */
  allows(nowMs: number): boolean {
    if (this.#state === 'closed') return true
    if (this.#state === 'open') {
      if (nowMs < this.#untilMs) return false
      this.#state = 'half-open'
      this.#trialAtMs = Number.NEGATIVE_INFINITY
    }
    return nowMs >= this.#trialAtMs + this.#options.openMs
  }

  /** A message started (the trial, if half-open). */
  began(nowMs: number): void {
    if (this.#state === 'half-open') this.#trialAtMs = nowMs
  }

  /** When `allows` may become true, monotonic ms. */
  nextMs(nowMs: number): number {
    if (this.#state === 'closed') return nowMs
    return this.#state === 'open' ? this.#untilMs : Math.max(nowMs, this.#trialAtMs + this.#options.openMs)
  }

  good(nowMs: number): void {
    if (this.#state === 'half-open') this.reset()
    this.#turn(nowMs)
    this.#good[this.#slot] = (this.#good[this.#slot] as number) + 1
  }

  /** True: it is open now because of this (it tripped, or the trial failed). */
  bad(nowMs: number): boolean {
    this.#turn(nowMs)
    this.#bad[this.#slot] = (this.#bad[this.#slot] as number) + 1
    if (this.#state === 'open') return true
    if (this.#state === 'closed') {
      const bad = sum(this.#bad)
      if (bad < this.#options.count || bad < this.#options.share * (bad + sum(this.#good))) return false
    }
    this.#state = 'open'
    this.#untilMs = nowMs + this.#options.openMs
    return true
  }

  /** Closed, and everything forgotten. */
  reset(): void {
    this.#state = 'closed'
    this.#good.fill(0)
    this.#bad.fill(0)
  }

  #turn(nowMs: number): void {
    if (nowMs < this.#slotEndMs) return
    const slotMs = this.#options.windowMs / slots
    const passed = Math.min(slots, 1 + Math.floor((nowMs - this.#slotEndMs) / slotMs))
    for (let i = 0; i < passed; i++) {
      this.#slot = (this.#slot + 1) % slots
      this.#good[this.#slot] = 0
      this.#bad[this.#slot] = 0
    }
    this.#slotEndMs = nowMs + slotMs
  }
}

function sum(counts: readonly number[]): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
