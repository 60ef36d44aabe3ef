import type { Random } from '../../clock/index.ts'

// Delay before the first resend, doubling up to the second figure.
const delayMs = { min: 20, max: 1000 }

/** How long to wait before something is sent again, ms: doubles with each attempt (from 0), jitter on the upper half. */
export function backoffMs(attempt: number, random: Random): number {
  const ceilingMs = Math.min(delayMs.max, delayMs.min * 2 ** Math.min(attempt, 16))
  return ceilingMs * (0.5 + random() / 2)
}
