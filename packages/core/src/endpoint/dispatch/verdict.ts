/** Turns what a handler did into what its lane does next. The delay itself is decided in `policy/retry.ts`. */
import { isSluiceError, SluiceError } from '../../errors/index.ts'
import { deadLetterReason, decideRetry, isRetryAfter } from '../../policy/index.ts'
import type { DeadLetterReason } from '../../transport/index.ts'
import type { Verdict } from '../lane/index.ts'
import type { Entry } from './handler-call.ts'
import type { GroupRunnerOptions } from './options.ts'

const newerVersionHoldDefaultMs = 3_600_000
const waitMinMs = 1_000
const waitMaxMs = 30_000

/** Accepting is the same for all: one object. */
export const accept: Verdict = { kind: 'accept' }
/** Back to its place, as if never taken. */
export const putBack: Verdict = { kind: 'putBack' }

/** A handler threw (or `entry.fail` was called). */
export function verdictOfFailure(options: GroupRunnerOptions, entry: Entry, error: unknown, wallMs: number): Verdict {
  const policy = entry.route?.retry
  const decision = policy === undefined ? ({ kind: 'giveUp' } as const) : decideRetry(policy, entry, error, wallMs, options.random)
  if (decision.kind === 'giveUp')
    return { kind: 'giveUp', reason: reasonOf(options, entry, error, wallMs, isRetryAfter(error) ? entry.attempt - 1 : entry.attempt) }
  return decision
}

/**
 * The message could not be prepared (undecodable, invalid, no upcast, a newer version): no handler has seen it, and
 * another attempt would find the same bytes.
 */
export function verdictOfUnprepared(options: GroupRunnerOptions, entry: Entry, error: unknown, wallMs: number): Verdict {
  if (isSluiceError(error, 'NEWER_VERSION') && options.onNewerVersion === 'hold') {
    if (wallMs - entry.firstDeliveredAtMs < (options.newerVersionHoldMs ?? newerVersionHoldDefaultMs)) return waitVerdict(entry)
  }
  return { kind: 'giveUp', reason: reasonOf(options, entry, error, wallMs, entry.attempt - 1) }
}

/** All its attempts were begun, and the last ones were not survived: a message that kills its process must end, too. */
export function verdictOfExhausted(options: GroupRunnerOptions, entry: Entry, wallMs: number): Verdict {
  const begun = entry.attempt - 1
  const error = new SluiceError('HANDLER_FAILED', `its process died during attempt ${begun}, the last one allowed`, {
    fix: 'Look for what kills the process (memory, native code, process.exit) on this message, then redrive it',
  })
  return { kind: 'giveUp', reason: reasonOf(options, entry, error, wallMs, begun) }
}

/** Wait for somebody else (a member with this type, a newer version): ever longer, never counted. */
export function waitVerdict(entry: Entry): Verdict {
  const delayMs = Math.min(waitMaxMs, waitMinMs * 2 ** Math.min(entry.waits, 10))
  entry.waits++
  return { kind: 'retry', delayMs, counted: false }
}

/** A command that nobody of its own group handles. */
export function verdictOfUnknownType(options: GroupRunnerOptions, entry: Entry, wallMs: number): Verdict {
  const { channel, group } = options.subscription
  const error = new SluiceError('UNKNOWN_TYPE', `no handler of group ${group} handles this type on ${channel}`, {
    fix: 'Register a handler with bus.handle, then redrive it',
  })
  return { kind: 'giveUp', reason: reasonOf(options, entry, error, wallMs, entry.attempt - 1) }
}

function reasonOf(options: GroupRunnerOptions, entry: Entry, error: unknown, wallMs: number, attempts: number): DeadLetterReason {
  return deadLetterReason(error, {
    attempts,
    deliveries: entry.deliveries,
    firstDeliveredAtMs: entry.firstDeliveredAtMs,
    deadLetteredAtMs: wallMs,
    service: options.service,
    instanceId: options.instanceId,
  })
}
