/** When a failed message is tried again, and when it is given up. */
export interface RetryPolicy {
  /** Attempts in all, the first included. Default 5. */
  readonly attempts: number
  /** Delay before the second attempt, ms. Default 100. Doubles with each attempt, with full jitter on the upper half. */
  readonly minDelayMs: number
  /** Longest delay, ms. Default 30,000. */
  readonly maxDelayMs: number
  /** No attempt begins later than this after the first delivery, ms. Default 24 h. */
  readonly maxAgeMs: number
  /** Whether this error is worth another attempt. Default: every error but `Reject`. */
  readonly when: ((error: unknown) => boolean) | undefined
}
