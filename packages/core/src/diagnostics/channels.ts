/**
 * Channels of `node:diagnostics_channel`, named after the OpenTelemetry messaging operations. Who wants to observe
 * subscribes; while nobody does, each step costs one comparison. Publish only inside `if (channel.hasSubscribers)`.
 */
import { type Channel, channel } from 'node:diagnostics_channel'

/** A message was made: `{ channel, envelope }`. */
export const createEvents: Channel = channel('sluice:create')
/** A batch was sent: `{ channel, count, durationMs, error? }`. */
export const sendEvents: Channel = channel('sluice:send')
/** Deliveries arrived: `{ channel, group, deliveries }`. */
export const receiveEvents: Channel = channel('sluice:receive')
/** A handler is about to be called: {@link ProcessEvent}. Stores bound to it (`bindStore`) hold for the handler. */
export const processStartEvents: Channel = channel('sluice:process:start')
/** A handler call has ended: the same object, with `durationMs` and `outcomes`. */
export const processEvents: Channel = channel('sluice:process')
/** Deliveries were accepted or released: `{ channel, group, operation, deliveries }`. */
export const settleEvents: Channel = channel('sluice:settle')
/** A message will be tried again: {@link RetryEvent}. */
export const retryEvents: Channel = channel('sluice:retry')
/** A message was given up: `{ channel, group, delivery, reason }`. */
export const deadLetterEvents: Channel = channel('sluice:dead-letter')
/** A message was accepted without a handler: `{ channel, group, delivery, because: 'type' | 'filter' | 'expired' | 'repeat' }`. */
export const skipEvents: Channel = channel('sluice:skip')
/** A lane went to the parking lot: `{ channel, group, partition, lane, state, count }`. */
export const suspendEvents: Channel = channel('sluice:suspend')
/** A partition came or went: `{ channel, group, partition, change: 'assigned' | 'revoked' | 'lost' }`. */
export const handOverEvents: Channel = channel('sluice:hand-over')
/** Connected, but not progressing: `{ channel, group, because, details }`. */
export const stallEvents: Channel = channel('sluice:stall')

/** Published by {@link processStartEvents} and {@link processEvents}; one object for both, so that a listener can keep its span on it. */
export interface ProcessEvent {
  readonly channel: string
  readonly group: string
  /** `{ delivery, attempt, deliveries }` of each message of the call. */
  readonly entries: readonly { readonly delivery: unknown; readonly attempt: number; readonly deliveries: number }[]
  durationMs: number | undefined
  /** One an entry, in order: `accept`, `retry`, `dead-letter` or `release`. */
  outcomes: readonly string[] | undefined
  /** What the call threw, if it did. */
  error: unknown
}

/** Published by {@link retryEvents}. */
export interface RetryEvent {
  readonly channel: string
  readonly group: string
  readonly delivery: unknown
  readonly attempt: number
  readonly delayMs: number
  readonly counted: boolean
  readonly error: unknown
}
