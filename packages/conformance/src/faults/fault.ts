import type { OwnServer } from './own-server.ts'
import type { FaultProxy } from './proxy.ts'

/** A fault that comes again and again while messages flow. */
export interface Fault {
  readonly name: string
  /** Does its worst once and lets it pass; called every few hundred ms. */
  strike(place: { readonly proxy: FaultProxy; readonly server: OwnServer; readonly random: () => number }): Promise<void>
  /** It kills the server. */
  readonly kills?: true
  /**
   * Part of what a member reports when it must take anew all that it had in hand, which may be later than the judge's last word about
   * the strike. It explains what that member itself had begun before and comes again, nothing else: neither a loss nor another order
   * (`check.test.ts` proves that of any such line). Without a strike, in a long run's calm, such a report is a failure.
   */
  readonly reported?: string
  /** How many times at most for 1,500 messages, while there is something to send; more for more. Default 12. */
  readonly strikes?: number
  /** Part of the messages that this one is given, where bytes pass slowly. Default 1. */
  readonly share?: number
}
