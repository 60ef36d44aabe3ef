/**
 * The seam between the bus (which knows contracts, schemas, middleware and the handler's context) and the dispatcher
 * (which knows lanes, attempts, time-outs and settlement). The dispatcher never sees a contract; the bus never sees a lane.
 */

import type { RetryPolicy } from '../../policy/index.ts'
import type { DeadLetterReason, Delivery } from '../../transport/index.ts'

/** One entry of a run, as the dispatcher hands it to the binding. */
export interface RunEntry {
  readonly delivery: Delivery
  /** What `prepare` made of it. */
  readonly prepared: unknown
  /** Number of this attempt, from 1. */
  readonly attempt: number
  /** Deliveries including this one, from 1. */
  readonly deliveries: number
  /** Set by the binding when this entry alone failed (`entry.fail(error)` of a batch handler). */
  failure: { readonly error: unknown } | undefined
}

/** What can be cut short. A getter, so that no AbortController is made when nobody asks. */
export interface Abortable {
  readonly signal: AbortSignal
}

/** A handler with everything that decides how it is called. */
export interface HandlerBinding {
  /** Message types it handles. */
  readonly types: readonly string[]
  readonly retry: RetryPolicy
  /** Per attempt; undefined: none but the transport's own bound. */
  readonly timeoutMs: number | undefined
  /** undefined: one entry a call. */
  readonly batch: { readonly size: number; readonly waitMs: number; readonly perLane: 'one' | 'many' } | undefined
  /** False: the message is skipped (accepted and counted). Must not throw. */
  accepts(delivery: Delivery): boolean
  /**
   * Decodes, upcasts and validates. Synchronous unless the schema is asynchronous (then a Promise of what it would
   * return). Throws (or rejects with) a SluiceError with scope `message`: NEWER_VERSION follows the group's `onNewerVersion`, any other is dead-lettered at once.
   */
  prepare(delivery: Delivery): unknown
  /**
   * Runs the handler (middleware included) over one or more entries. Returns undefined when it finished synchronously
   * (no promise is made then). A throw or rejection fails all entries; `entry.failure` fails one.
   * `call.signal` is made when somebody asks for it.
   */
  run(entries: readonly RunEntry[], call: Abortable): undefined | Promise<void>
  /**
   * Called just before a message of this handler is dead-lettered, and waited for (a request answers its caller here).
   * Its failure is reported and changes nothing.
   */
  gaveUp?(delivery: Delivery, reason: DeadLetterReason): undefined | Promise<void>
}
