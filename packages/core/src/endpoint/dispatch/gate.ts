import { Breaker, TokenBucket } from '../../policy/index.ts'
import type { GroupRunnerOptions } from './options.ts'

/** Whether a group may start a message now: rate limit, circuit breaker, kill switch. */
export class Gate {
  readonly #bucket: TokenBucket | undefined
  readonly breaker: Breaker | undefined
  readonly killSwitch: Breaker | undefined
  /** None of the three is there: nothing to ask. */
  readonly open: boolean

  constructor(options: GroupRunnerOptions, nowMs: number) {
    this.#bucket = options.rateLimit === undefined ? undefined : new TokenBucket(options.rateLimit, nowMs)
    this.breaker = options.circuitBreaker === undefined ? undefined : new Breaker(options.circuitBreaker, nowMs)
    this.killSwitch = options.killSwitch === undefined ? undefined : new Breaker(options.killSwitch, nowMs)
    this.open = this.#bucket === undefined && this.breaker === undefined
  }

  allows(nowMs: number): boolean {
    if (this.killSwitch !== undefined && this.killSwitch.state !== 'closed' && !this.killSwitch.allows(nowMs)) return false
    if (this.open) return true
    return (this.breaker?.allows(nowMs) ?? true) && (this.#bucket?.allows(nowMs) ?? true)
  }

  /** A message started. */
  began(nowMs: number): void {
    this.#bucket?.take()
    this.breaker?.began(nowMs)
    this.killSwitch?.began(nowMs)
  }

  /** When it is worth asking again, monotonic ms. */
  nextMs(nowMs: number): number {
    return Math.max(this.#bucket?.nextMs(nowMs) ?? 0, this.breaker?.nextMs(nowMs) ?? 0, this.killSwitch?.nextMs(nowMs) ?? 0)
  }

  reset(): void {
    this.breaker?.reset()
    this.killSwitch?.reset()
  }
}
