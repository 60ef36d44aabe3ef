import type { StandardSchema } from './standard-schema.ts'

/** An upcaster turns the data of one older version into the *input* of the next one. */
export type Upcasters = Readonly<Record<number, (data: never) => unknown>>

/** What every contract has at run time. Made by `event`, `command`, `request`; never by hand. */
export interface ContractBase<Input, Output> {
  /** The message type: dotted lower-case words, e.g. `shop.order.placed`. */
  readonly name: string
  /** The channel it travels on. */
  readonly channel: string
  /** Version of the data, from 1. */
  readonly version: number
  readonly schema: StandardSchema<Input, Output>
  /** Ordering key of a message; undefined where the contract (and its channel) has none. */
  readonly key: ((output: Output) => string | undefined) | undefined
  /** Default tags of each message. */
  readonly tags: readonly string[]
  readonly upcast: Upcasters
  /** Settings of the channel, where `channel()` made one. */
  readonly channelSettings: ChannelSettings | undefined
}

/** Settings that several contracts share through `channel()`. */
export interface ChannelSettings {
  readonly name: string
  /** Number of partitions of ordered consumption; default: the transport's. May grow between releases, never shrink. */
  readonly partitions: number | undefined
  readonly retention: { readonly maxAgeMs?: number; readonly maxBytes?: number; readonly keepForGroups?: boolean } | undefined
}

/** One fact, for every interested group: `bus.publish`, `bus.on`. */
export interface EventContract<Input = unknown, Output = Input> extends ContractBase<Input, Output> {
  readonly kind: 'event'
  /** Groups that must get it even if they were never started yet. */
  readonly groups: readonly string[]
  /** What happens to an event that no group ever asked for. Default: `keep`. */
  readonly unrouted: 'keep' | 'error'
}

/** One task for exactly one of a group: `bus.send`, `bus.handle`. */
export interface CommandContract<Input = unknown, Output = Input> extends ContractBase<Input, Output> {
  readonly kind: 'command'
}

/** A task that answers: `bus.request`, `bus.handle`. */
export interface RequestContract<Input = unknown, Output = Input, ReplyInput = unknown, ReplyOutput = ReplyInput> extends ContractBase<Input, Output> {
  readonly kind: 'request'
  readonly reply: StandardSchema<ReplyInput, ReplyOutput>
}

/** Any contract. */
export type Contract = EventContract<never, unknown> | CommandContract<never, unknown> | RequestContract<never, unknown, never, unknown>
