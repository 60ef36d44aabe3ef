/**
 * Where a retry is decided: whether a failed message is tried again, after which delay, or given up. Whether the wait is
 * then held in the process or goes to the parking lot is the lane's business (`endpoint/lane`).
 */
import type { Random } from '../clock/index.ts'
import { SluiceError } from '../errors/index.ts'
import { checkNumber } from './option.ts'
import { isReject, isRetryAfter } from './outcome.ts'

/** When a failed message is tried again, and when it is given up. */
export interface RetryPolicy {
  /** Attempts in all, the first included. Default 5. */
  readonly attempts: number
  /** Delay before the second attempt, ms. Default 100. Doubles with each attempt, with full jitter on the upper half. */
  readonly minDelayMs: number
  /** Longest delay, ms. Default 30,000. */
  readonly maxDelayMs: number
  /** No attempt begins later than this after the first delivery, ms. Default 24 h. Bounds `RetryAfter`, too. */
  readonly maxAgeMs: number
  /** Whether this error is worth another attempt. Default: every error but `Reject`. One that throws counts as yes. */
  readonly when: ((error: unknown) => boolean) | undefined
}

/** The documented defaults of {@link RetryPolicy}. */
export const retryDefaults: RetryPolicy = { attempts: 5, minDelayMs: 100, maxDelayMs: 30_000, maxAgeMs: 24 * 3_600_000, when: undefined }

/** Fills in defaults and checks; throws INVALID_OPTION. `maxDelayMs` below `minDelayMs` is raised to it only by default. */
export function retryPolicy(options: Partial<RetryPolicy> = {}): RetryPolicy {
  const minDelayMs = checkNumber('retry.minDelayMs', options.minDelayMs ?? retryDefaults.minDelayMs, 0, 365 * 86_400_000)
  const maxDelayMs = checkNumber('retry.maxDelayMs', options.maxDelayMs ?? Math.max(minDelayMs, retryDefaults.maxDelayMs), minDelayMs, 365 * 86_400_000)
  if (options.when !== undefined && typeof options.when !== 'function') {
    throw new SluiceError('INVALID_OPTION', 'retry.when is not a function', { fix: 'Pass (error) => boolean', details: { option: 'retry.when' } })
  }
  return {
    attempts: checkNumber('retry.attempts', options.attempts ?? retryDefaults.attempts, 1, 1_000_000, true),
    minDelayMs,
    maxDelayMs,
    maxAgeMs: checkNumber('retry.maxAgeMs', options.maxAgeMs ?? retryDefaults.maxAgeMs, 1, Number.POSITIVE_INFINITY),
    when: options.when,
  }
}

/** What becomes of a failed attempt. `counted`: it uses up one of `attempts`. */
export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly counted: boolean }
  | { readonly kind: 'giveUp'; readonly because: 'rejected' | 'not worth it' | 'attempts' | 'age' }

/** What is known of the failed attempt. */
export interface FailedAttempt {
  /** Number of the attempt, from 1. */
  readonly attempt: number
  readonly firstDeliveredAtMs: number
}

/** Decides on a failed attempt. Never throws. */
export function decideRetry(policy: RetryPolicy, failed: FailedAttempt, error: unknown, nowMs: number, random: Random): RetryDecision {
  const ageMs = nowMs - failed.firstDeliveredAtMs
  if (isRetryAfter(error)) {
    return ageMs + error.delayMs > policy.maxAgeMs ? { kind: 'giveUp', because: 'age' } : { kind: 'retry', delayMs: error.delayMs, counted: false }
  }
  if (isReject(error)) return { kind: 'giveUp', because: 'rejected' }
  if (failed.attempt >= policy.attempts) return { kind: 'giveUp', because: 'attempts' }
  if (!isWorthIt(policy, error)) return { kind: 'giveUp', because: 'not worth it' }
  const delayMs = retryDelayMs(policy, failed.attempt, random)
  return ageMs + delayMs > policy.maxAgeMs ? { kind: 'giveUp', because: 'age' } : { kind: 'retry', delayMs, counted: true }
}

/** Delay after the given attempt: doubled each time, and spread over its upper half so that failures do not come back in step. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: Random): number {
  const delayMs = Math.min(policy.maxDelayMs, policy.minDelayMs * 2 ** Math.min(attempt - 1, 60))
  return Math.round(delayMs / 2 + (delayMs / 2) * random())
}

function isWorthIt(policy: RetryPolicy, error: unknown): boolean {
  if (policy.when === undefined) return true
  try {
    return policy.when(error) !== false
  } catch {
    return true
  }
}
