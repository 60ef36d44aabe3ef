import type { Contract } from '../../contract/index.ts'
import type { Envelope } from '../../message/index.ts'
import type { BatchContext, BatchEntry, HandlerContext } from '../handler/api.ts'

/** A message on its way out, before it is encoded. Headers may be set, the rest is read-only. */
export interface SendDraft {
  readonly contract: Contract
  readonly data: unknown
  readonly id: string
  readonly key: string | undefined
  readonly channel: string
  /** Names lower-case, values text. Checked after the last middleware. */
  readonly headers: Record<string, string>
}

/** One run of a handler. */
export interface HandlerRun {
  /** Context of the single message, or of the batch. */
  readonly context: HandlerContext | BatchContext
  /** The messages: one, or the batch's. */
  readonly entries: readonly BatchEntry[]
}

/**
 * Wraps sending and handling. Middleware runs in the order of `use`, the first outermost, for what is sent and handled
 * after `use` was called. Costs nothing where no middleware is used.
 */
export interface Middleware {
  /** For error messages. */
  readonly name?: string
  /** Around each send, before encoding: set headers, or throw to refuse. Must call `next` exactly once. */
  send?(draft: SendDraft, next: () => void): void
  /** After encoding: the envelope to send instead (encryption, signatures). */
  encoded?(envelope: Envelope): Envelope
  /** Before decoding: the reverse of `encoded`. A throw dead-letters the message. */
  received?(envelope: Envelope): Envelope
  /** Around each run of a handler: call `next` and return what it returns. A throw fails the run. */
  handle?(run: HandlerRun, next: () => unknown): unknown
}
