import type { Envelope } from '../message/index.ts'

/**
 * When a message expires, ms since the epoch, or undefined. An `expirytime` that is no time never expires: dropping a
 * message because of a malformed attribute would be a loss.
 */
function expiresAtMs(envelope: Envelope): number | undefined {
  if (envelope.expirytime === undefined) return undefined
  const ms = Date.parse(envelope.expirytime)
  return Number.isNaN(ms) ? undefined : ms
}

/** Whether a message is past its own expiry time and must not reach a handler. */
export function isExpired(envelope: Envelope, nowMs: number): boolean {
  const ms = expiresAtMs(envelope)
  return ms !== undefined && nowMs >= ms
}
