import type { Contract, EventContract } from '../../contract/index.ts'
import type { DeadLetterReason, GroupStatus } from '../../transport/index.ts'
import type { MessageAttributes } from '../handler/api.ts'

/** One row of `bus.inspect()` and `bus.groups.list()`. */
export interface GroupRow extends GroupStatus {
  /** Name of the transport (`facts.name`). */
  readonly transport: string
}

/** Which group of a contract's channel. Default: the service's own; for commands and requests, their only one. */
export interface GroupOption {
  readonly group?: string
}

/** A message that a group gave up on. */
export interface DeadLetterItem {
  /** Of the dead letter itself. */
  readonly deadLetterId: string
  readonly message: MessageAttributes & { readonly type: string }
  /** The decoded data; undefined where it cannot be decoded. Not validated. */
  readonly data: unknown
  readonly reason: DeadLetterReason
  /** Messages parked behind it in its lane. */
  readonly parkedBehind: number
  readonly redrives: number
}

/** Some of a contract's dead letters. All that is given must hold. */
export interface DeadLetterFilter {
  readonly ids?: readonly string[]
  readonly keys?: readonly string[]
  /** The same fault: see `reason.fingerprint`. */
  readonly fingerprint?: string
  /** At most so many, oldest first. */
  readonly limit?: number
}

/** `all`, one or several items of `list()`, or a filter. */
export type DeadLetterSelection = 'all' | DeadLetterItem | readonly DeadLetterItem[] | DeadLetterFilter

/** Dead letters of one contract in one group. */
export interface DeadLetters {
  /** Oldest first, 100 unless `limit` says otherwise; continue after the last one with `after`. */
  list(filter?: DeadLetterFilter & { readonly after?: string }): Promise<readonly DeadLetterItem[]>
  /** Puts them back at the head of their lanes with fresh attempts; parked successors follow in order. Resolves to how many. */
  redrive(which: DeadLetterSelection): Promise<number>
  /** Drops them; parked successors follow. Resolves to how many. */
  discard(which: DeadLetterSelection): Promise<number>
}

/** Which stretch of the past `bus.replay` delivers again. */
export interface ReplayOptions extends GroupOption {
  /** From this time on. Default: the oldest kept message. */
  readonly from?: Date | number
  /** Up to, not including, this time. Default: now. */
  readonly to?: Date | number
}

/** Groups over all transports of the bus. */
export interface Groups {
  list(): Promise<readonly GroupRow[]>
  /**
   * Forgets a group with its backlog, dead letters and parked lanes, in one channel or all. Rejects while it has live
   * consumers. Resolves to the number of (channel, group) pairs removed.
   */
  remove(name: string, options?: { readonly channel?: string }): Promise<number>
}

/** What the bus can do beside the message flow. */
export interface BusAdministration {
  /** Cancels a delayed message; false if it is not waiting (any more). */
  cancel(contract: Contract, id: string): Promise<boolean>
  deadLetters(contract: Contract, options?: GroupOption): DeadLetters
  /**
   * Delivers a stretch of the channel's past to the group again: of the whole channel, whatever its types, since order
   * holds over all of them. Resolves to the number of messages. UNSUPPORTED without the fact `replay`.
   */
  replay(contract: EventContract, options?: ReplayOptions): Promise<number>
  readonly groups: Groups
  /** One row per (channel, group), over all transports. */
  inspect(): Promise<readonly GroupRow[]>
  /** Pauses a group of the contract's channel in all processes, durably. */
  pause(contract: Contract, options?: GroupOption): Promise<void>
  resume(contract: Contract, options?: GroupOption): Promise<void>
}
