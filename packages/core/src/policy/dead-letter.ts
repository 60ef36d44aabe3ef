import { describeError, fingerprintOf } from '../errors/index.ts'
import type { DeadLetterReason } from '../transport/index.ts'

/** Who gave up, on what, when. */
export interface GivenUp {
  readonly attempts: number
  readonly deliveries: number
  readonly firstDeliveredAtMs: number
  readonly deadLetteredAtMs: number
  readonly service: string
  readonly instanceId: string
}

/** Makes the reason that is kept with a dead letter. Never throws, whatever was thrown; bounded; without credentials. */
export function deadLetterReason(error: unknown, givenUp: GivenUp): DeadLetterReason {
  const told = describeError(error)
  const reason = {
    // A plain Error, or what is none, says nothing by its name.
    code: told.code === 'Error' ? 'HANDLER_FAILED' : told.code,
    message: told.message,
    attempts: givenUp.attempts,
    deliveries: givenUp.deliveries,
    firstDeliveredAtMs: givenUp.firstDeliveredAtMs,
    deadLetteredAtMs: givenUp.deadLetteredAtMs,
    service: givenUp.service,
    instanceId: givenUp.instanceId,
    fingerprint: fingerprintOf(error),
  }
  return told.stack === undefined ? reason : { ...reason, stack: told.stack }
}
