import type { TransportFacts } from '@sluice/core/transport'
import type { Rig } from './rig.ts'

/** One thing that a transport must do, or must refuse to do. */
export interface ConformanceCase {
  /** Stable; used to skip it and as its row in the report. */
  readonly name: string
  /** What the facts must say for it to make sense: the reason why it does not, or undefined if it does. */
  readonly needs?: (facts: TransportFacts) => string | undefined
  /** Proves that what `needs` says is lacking is refused, not silently done badly. Without it the case is skipped. */
  readonly refused?: (rig: Rig) => Promise<void>
  /** It makes a member die; skipped where that cannot be simulated. */
  readonly crashes?: boolean
  /** Its messages, where their number is what it costs: all that its name says, and fewer for a target that runs it often. */
  readonly messages?: { readonly whole: number; readonly short: number }
  /** Longest time, ms. Default 30,000. */
  readonly timeoutMs?: number
  /** `messages`: how many of them to send, `whole` or `short`; 0 where it has no such number. */
  run(rig: Rig, messages: number): Promise<void>
}

/** Cases about one subject. */
export interface Subject {
  readonly name: string
  /** Its cases start processes of their own; left out where the transport lives in one process. */
  readonly ownProcesses?: boolean
  readonly cases: readonly ConformanceCase[]
}
