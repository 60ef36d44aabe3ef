import { appendFileSync } from 'node:fs'
import type { TransportFacts } from '@sluice/core/transport'

/** What became of one case on one transport. */
export interface CaseResult {
  readonly transport: string
  readonly subject: string
  readonly name: string
  /** `cannot`: the facts rule it out, and it was proven to be refused. `skipped`: ruled out or left out, with the reason. */
  readonly outcome: 'pass' | 'fail' | 'cannot' | 'skipped'
  readonly reason?: string
  /** How many messages it had in a short run, where its name says more. */
  readonly messages?: number
  /** Undefined where the case was left out before anything was opened. */
  readonly facts?: TransportFacts
}

/** Names the environment variable that names the file of results. */
export const resultsVariable = 'SLUICE_CONFORMANCE_RESULTS'

/** Appends a result to the file that {@link resultsVariable} names; without it nothing is written. */
export function recordResult(result: CaseResult): void {
  const path = process.env[resultsVariable]
  if (path !== undefined && path !== '') appendFileSync(path, `${JSON.stringify(result)}\n`)
}
