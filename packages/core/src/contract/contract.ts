/**
 * The types of contracts. A *contract* describes one message: its name, the channel it travels on, its data in and out,
 * and its ordering key. `event`, `command` and `request` make them; nobody writes one by hand.
 *
 * Variance: every parameter is covariant, so that each contract is assignable to its kind without parameters
 * (`EventContract`), and to `Contract`, without `any`. That is why the functions inside (`key`, `upcast`) take `never`:
 * they are called by the operations of this folder only, never by their static type.
 */
import type { StandardSchema } from './standard-schema.ts'

/** What every contract has at run time. */
export interface ContractBase<out Input = unknown, out Output = Input, out Name extends string = string> {
  /** The message type, e.g. `shop.order.placed`. A literal type, so that it discriminates unions of messages. */
  readonly name: Name
  /** The channel it travels on. */
  readonly channel: string
  /** Version of the data, from 1. */
  readonly version: number
  readonly schema: StandardSchema<Input, Output>
  /** Ordering key of a message: the contract's own, else its channel's; undefined where there is none. */
  readonly key: ((output: never) => string | undefined) | undefined
  /** Default tags of each message. */
  readonly tags: readonly string[]
  /** Upcasters by the version that they read. */
  readonly upcast: Readonly<Record<number, (data: never) => unknown>>
  /** Settings of the channel, where `channel()` made one. */
  readonly channelSettings: ChannelSettings | undefined
}

/** Settings that several contracts share through `channel()`. */
export interface ChannelSettings {
  readonly name: string
  /** Number of partitions of ordered consumption; undefined: the transport's default. May grow between releases, never shrink. */
  readonly partitions: number | undefined
  /** How long accepted messages stay; undefined: the transport's default. */
  readonly retention: ChannelRetention | undefined
}

/** How long accepted messages stay in a channel. Each bound alone is enough to trim. */
export interface ChannelRetention {
  readonly maxAgeMs?: number
  readonly maxBytes?: number
  /** true (default): never below the slowest group. false: trim anyway; groups that were too slow lose messages, counted. */
  readonly keepForGroups?: boolean
}

/**
 * A channel shared by several contracts, made by `channel()`. `KeyInput` is what the channel's `key` reads: each
 * contract's output must satisfy it (contravariant: a channel without a key takes every contract).
 */
export interface Channel<in KeyInput = never> extends ChannelSettings {
  readonly key: ((output: KeyInput) => string | undefined) | undefined
}

/** One fact, for every interested group: `bus.publish`, `bus.on`. */
export interface EventContract<out Input = unknown, out Output = Input, out Name extends string = string> extends ContractBase<Input, Output, Name> {
  readonly kind: 'event'
  /** Groups that must get it even if they were never started yet. */
  readonly groups: readonly string[]
  /** What happens to an event that no group ever asked for. Default: `keep`. */
  readonly unrouted: 'keep' | 'error'
}

/** One task for exactly one of a group: `bus.send`, `bus.handle`. */
export interface CommandContract<out Input = unknown, out Output = Input, out Name extends string = string> extends ContractBase<Input, Output, Name> {
  readonly kind: 'command'
}

/** A task that answers: `bus.request`, `bus.handle`. */
export interface RequestContract<
  out Input = unknown,
  out Output = Input,
  out ReplyInput = unknown,
  out ReplyOutput = ReplyInput,
  out Name extends string = string,
> extends ContractBase<Input, Output, Name> {
  readonly kind: 'request'
  /** The reply: the handler returns its input, the requester gets its output. */
  readonly reply: StandardSchema<ReplyInput, ReplyOutput>
}

/** Any contract. */
export type Contract = EventContract | CommandContract | RequestContract

// ---------------------------------------------------------------- what generic code asks of a contract

/** What the producer passes: the schema's input. Distributes over unions of contracts, as all of these do. */
export type ContractInput<C> = C extends ContractBase<infer I, infer _O, infer _N> ? I : never
/** What a handler gets: the schema's output. */
export type ContractOutput<C> = C extends ContractBase<infer _I, infer O, infer _N> ? O : never
/** The name as a literal type. */
export type ContractName<C> = C extends ContractBase<infer _I, infer _O, infer N> ? N : never
/** What the handler of a request returns: the reply's input. */
export type ReplyInput<C> = C extends RequestContract<infer _I, infer _O, infer R, infer _RO, infer _N> ? R : never
/** What `bus.request` resolves to: the reply's output. */
export type ReplyOutput<C> = C extends RequestContract<infer _I, infer _O, infer _RI, infer R, infer _N> ? R : never
/**
 * The part of a handler's message that the contract decides. A union of contracts gives a union discriminated by
 * `type`; intersect it with the other attributes.
 */
export type MessageOf<C> = C extends ContractBase<infer _I, infer O, infer N> ? { readonly type: N; readonly data: O } : never
