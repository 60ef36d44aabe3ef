import type { Clock, Random } from '../../clock/index.ts'
import type { BreakerOptions, RateLimit } from '../../policy/index.ts'
import type { Subscription, Transport, TransportReport } from '../../transport/index.ts'
import type { HandlerBinding } from './binding.ts'

/** Everything that one (channel, group) consumer of this process needs. Checked by the bus; defaults stand there. */
export interface GroupRunnerOptions {
  readonly transport: Transport
  readonly subscription: Subscription
  /** One for each message type at most. */
  readonly bindings: readonly HandlerBinding[]
  /** Handler calls at once, at least 1. A batch is one call. */
  readonly concurrency: number
  /** Whether a keyed lane is parked behind a message that was given up. */
  readonly onDeadLetter: 'park' | 'continue'
  /** A message of a newer contract version: hold its lane, then dead-letter it; or at once. */
  readonly onNewerVersion: 'hold' | 'dead-letter'
  /** How long `onNewerVersion: 'hold'` lasts after the first delivery, ms. Default 1 h: longer than a rolling deployment. */
  readonly newerVersionHoldMs?: number | undefined
  readonly rateLimit?: RateLimit | undefined
  /** Default: none. */
  readonly circuitBreaker?: BreakerOptions | undefined
  /** undefined: none. The bus passes `breakerOptions('killSwitch', {})` unless it is switched off. */
  readonly killSwitch?: BreakerOptions | undefined
  /** Longest wait of a message that is held in the process, ms; beyond it the lane goes to the parking lot. Default 30,000. */
  readonly holdMaxMs: number
  /** What happens to a type that nobody of the group handles: events are skipped, commands dead-lettered. */
  readonly unhandled: 'skip' | 'dead-letter'
  /** Nothing finished for this long although there is work: a stall is reported, ms. Default 60,000. */
  readonly stallMs?: number | undefined
  readonly clock: Clock
  readonly random: Random
  readonly service: string
  readonly instanceId: string
  report(event: TransportReport): void
}

/** Counters since `start`, and what is there now. */
export interface GroupStats {
  /** Messages whose handler accepted them. */
  readonly processed: number
  /** Failed attempts that are tried again, and `RetryAfter`. */
  readonly retried: number
  readonly deadLettered: number
  /** Accepted without a handler: nobody handles the type, or the filter said no. */
  readonly skipped: number
  readonly expired: number
  readonly received: number
  /** Settlements that the transport could not make durable. */
  readonly settlementsLost: number
  /** With a handler now. */
  readonly inFlight: number
  /** Received and not settled, those in flight included. */
  readonly window: number
  /** In lanes that wait here for their next attempt. */
  readonly held: number
  /** Age of the message that was started last, at that moment, ms: stored → handler. */
  readonly lagMs: number
  /** Monotonic ms of the last outcome; 0: none yet. */
  readonly lastOutcomeAtMs: number
  readonly paused: boolean
  readonly circuitBreaker: 'closed' | 'open' | 'half-open'
  readonly killSwitch: 'closed' | 'open' | 'half-open'
  readonly partitions: number
}

/** Consumes one channel for one group in this process. */
export interface GroupRunner {
  /** Joins the group; resolves when deliveries may come. */
  start(): Promise<void>
  /**
   * Ends intake, lets running handlers finish, aborts their signal at the deadline, settles, releases the rest at once.
   * `finished`: handlers that ended in time; `released`: messages that were here and go back. Idempotent.
   */
  stop(options: { readonly deadlineMs: number }): Promise<{ readonly finished: number; readonly released: number }>
  /** Starts no handler until `resume`; what runs goes on. Local to this process. */
  pause(): void
  /** Also closes a tripped kill switch or circuit breaker. */
  resume(): void
  readonly stats: GroupStats
}
