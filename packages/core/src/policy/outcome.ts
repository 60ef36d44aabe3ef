/**
 * What a handler throws to decide the outcome itself. Both work across copies of the library: they are told by name.
 */
import { SluiceError } from '../errors/index.ts'

/** Thrown by a handler: this message can never succeed. It is dead-lettered at once, without another attempt. */
export class Reject extends Error {
  override readonly name = 'Reject'
  /** Kept as the dead letter's reason code. Default `REJECTED`. */
  readonly code: string

  /** @param reason Why, for the person who reads the dead letter. */
  constructor(reason: string, options: { readonly code?: string; readonly cause?: unknown } = {}) {
    super(reason, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = options.code ?? 'REJECTED'
  }
}

/**
 * Thrown by a handler: not now. The message comes again after `delayMs` without counting an attempt; its lane waits.
 * Bounded by the retry policy's `maxAgeMs` only.
 */
export class RetryAfter extends Error {
  override readonly name = 'RetryAfter'
  readonly code = 'RETRY_AFTER'
  readonly delayMs: number

  /** @param delayMs From now, ms: finite and not negative, else INVALID_OPTION. */
  constructor(delayMs: number, reason = 'the handler asked to try again later') {
    if (!Number.isFinite(delayMs) || delayMs < 0) {
      throw new SluiceError('INVALID_OPTION', `RetryAfter got ${String(delayMs)}`, { fix: 'Pass a finite number of milliseconds, 0 or more' })
    }
    super(reason)
    this.delayMs = delayMs
  }
}

/** Whether a thrown value is a {@link Reject}. */
export function isReject(error: unknown): error is Reject {
  return error instanceof Reject || (error instanceof Error && error.name === 'Reject')
}

/** Whether a thrown value is a {@link RetryAfter}. */
export function isRetryAfter(error: unknown): error is RetryAfter {
  return error instanceof RetryAfter || (error instanceof Error && error.name === 'RetryAfter' && 'delayMs' in error && Number.isFinite(error.delayMs))
}
