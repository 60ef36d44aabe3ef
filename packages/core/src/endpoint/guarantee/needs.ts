import type { RetryPolicy } from '../../policy/index.ts'

/** What the handlers of one (channel, group) ask of their route. */
export interface RouteNeeds {
  readonly channel: string
  readonly group: string
  readonly kind: 'events' | 'commands'
  readonly types: readonly string[]
  /** Some contract has a key. */
  readonly keyed: boolean
  readonly requests: boolean
  readonly order: 'key' | 'channel' | 'none'
  readonly from: 'start' | 'end' | number
  readonly broadcast: boolean
  readonly concurrency: number
  readonly concurrencyScope: 'process' | 'group'
  readonly onDeadLetter: 'park' | 'continue'
  readonly handlers: readonly HandlerNeeds[]
  /** Options that a handler stated itself: a default may be kept weaker, a wish may not. */
  readonly stated: ReadonlySet<string>
  /** Longest wait held in memory on this route, ms. */
  readonly holdMaxMs: number
}

/** What one handler asks. */
export interface HandlerNeeds {
  readonly types: readonly string[]
  readonly retry: RetryPolicy
  readonly timeoutMs: number | undefined
  /** `file:line` of the call that registered it. */
  readonly place: string
}

/** A wish that a route cannot grant. */
export interface Refusal {
  /** Name of the missing fact. */
  readonly fact: string
  readonly message: string
  /** The option or route that would do. */
  readonly fix: string
}
