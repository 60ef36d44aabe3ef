import { checkNumber } from './option.ts'

/** A bound on handler starts of one group in one process. */
export interface RateLimit {
  /** Messages that may start within `intervalMs`; also the largest burst after a pause. At least 1. */
  readonly messages: number
  /** ms, at least 1. */
  readonly intervalMs: number
}

/** Checks a rate limit; throws INVALID_OPTION. */
export function rateLimit(options: RateLimit): RateLimit {
  return {
    messages: checkNumber('rateLimit.messages', options.messages, 1, 1e9),
    intervalMs: checkNumber('rateLimit.intervalMs', options.intervalMs, 1, 365 * 86_400_000),
  }
}

/** A token bucket by monotonic time: fills evenly, holds at most one interval's worth. */
export class TokenBucket {
  readonly #limit: RateLimit
  #tokens: number
  #filledAtMs: number

  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit
    this.#tokens = limit.messages
    this.#filledAtMs = nowMs
  }

  /** Whether one may start now; `take` is separate, since there may be nothing to start. */
  allows(nowMs: number): boolean {
    this.#fill(nowMs)
    return this.#tokens >= 1
  }

  take(): void {
    this.#tokens -= 1
  }

  /** When `allows` becomes true, monotonic ms; at most `nowMs` if it is. */
  nextMs(nowMs: number): number {
    this.#fill(nowMs)
    return this.#tokens >= 1 ? nowMs : nowMs + Math.ceil(((1 - this.#tokens) * this.#limit.intervalMs) / this.#limit.messages)
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#filledAtMs) return
    this.#tokens = Math.min(this.#limit.messages, this.#tokens + ((nowMs - this.#filledAtMs) * this.#limit.messages) / this.#limit.intervalMs)
    this.#filledAtMs = nowMs
  }
}
