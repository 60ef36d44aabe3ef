/**
 * What a handler sees, and how its outcome settles the message:
 *
 * | the handler | the message |
 * | --- | --- |
 * | returns (or its promise resolves) | is accepted: done |
 * | throws | is tried again as `retry` says, then dead-lettered |
 * | throws `new Reject(reason)` | is dead-lettered now |
 * | throws `new RetryAfter(ms)` | is released: comes again after `ms`, without counting an attempt |
 * | has not finished when `stop` reaches its deadline | is released at once |
 */
import type { Contract, ContractOutput, EventContract, MessageOf, ReplyInput, RequestContract } from '../../contract/index.ts'
import type { Envelope } from '../../message/index.ts'
import type { BreakerOptions, RetryPolicy } from '../../policy/index.ts'
import type { ContextLogger } from '../logging/logger.ts'
import type { BusSender } from '../sender/bus-sender.ts'

/** The attributes of a message: CloudEvents 1.0 and its registered extensions, ours, and the application's headers. */
export type MessageAttributes = Omit<Envelope, 'body' | 'headers' | 'type'> & { readonly headers: Readonly<Record<string, string>> }

/** A received message of one of the contracts `C`; `type` discriminates. */
export type Message<C = Contract> = MessageAttributes & MessageOf<C>

/** What every handler call has, batch or not. It is a sender: what it sends carries on the handled message's correlation. */
export interface SharedContext extends BusSender {
  /** Aborts when the handler's `timeoutMs` is over or `stop` reaches its deadline. */
  readonly signal: AbortSignal
  readonly log: ContextLogger
  readonly channel: string
  readonly group: string
  /** Whether `data` belongs to `contract`, so that TypeScript knows its type. */
  is<C extends Contract>(contract: C, data: unknown): data is ContractOutput<C>
}

/** Context of a handler of single messages. */
export interface HandlerContext<C = Contract> extends SharedContext {
  readonly message: Message<C>
  /** Attempts begun, this one included: 1 on the first. Released deliveries do not count. */
  readonly attempt: number
  /** Deliveries, this one included. */
  readonly deliveries: number
  readonly key: string | undefined
  /** The same over all attempts of this message in this group: for providers that take an idempotency key. */
  readonly idempotencyKey: string
}

/** Context of a batch handler. What it sends carries correlation only where the batch has one entry. */
export interface BatchContext extends SharedContext {
  readonly size: number
}

/** One message of a batch. Unmarked entries are accepted when the handler returns; a throw fails them all. */
export interface BatchEntry<C = Contract> {
  readonly data: ContractOutput<C>
  readonly message: Message<C>
  readonly attempt: number
  readonly deliveries: number
  readonly key: string | undefined
  readonly idempotencyKey: string
  /** What `fail` was given; for middleware. */
  readonly failure: { readonly error: unknown } | undefined
  /** Fails this entry alone, with the outcome that throwing `error` has. With `perLane: 'many'` the later ones of its lane fail too. */
  fail(error: unknown): void
}

/** One event contract, or several that one handler takes. */
export type EventSelection = EventContract | readonly EventContract[]

/** The contracts of a selection, as a union. */
export type Selected<E> = E extends readonly (infer C)[] ? C : E

/** Handles one message at a time. A request's handler returns the reply's input. */
export type Handler<C> = (data: ContractOutput<C>, context: HandlerContext<C>) => C extends RequestContract ? ReplyInput<C> | Promise<ReplyInput<C>> : unknown

/** Handles several messages at once. */
export type BatchHandler<C> = (entries: readonly BatchEntry<C>[], context: BatchContext) => unknown

/** How many messages a batch handler gets at once. */
export interface BatchOptions {
  /** Entries at most, 1–10,000. */
  readonly size: number
  /** How long the first entry waits for more, ms. Default 0: take what is there. */
  readonly waitMs?: number
  /** `one` (default): at most one entry of a lane in a batch. `many`: several, in order; a failure fails the lane's later ones. */
  readonly perLane?: 'one' | 'many'
}

/** A bound on handler starts of one (channel, group) in this process. */
export interface RateLimitOptions {
  readonly messages: number
  readonly intervalMs: number
}

/**
 * How a handler is run. The first block belongs to the (channel, group): handlers of one group that disagree there are
 * an error at `start` (CONTRACT_CONFLICT).
 */
export interface SharedHandlerOptions {
  /**
   * Where a group starts that does not exist yet: at the oldest kept message, at the end, or at a time. Default
   * `start`; `end` with `broadcast`.
   */
  readonly from?: 'start' | 'end' | Date
  /** What keeps its order: messages of a key (default), all of the channel, or nothing. */
  readonly order?: 'key' | 'channel' | 'none'
  /** Handlers of this group at once, 1–10,000. Default 16: enough to hide a few ms of I/O, few enough for a database pool. */
  readonly concurrency?: number
  /** Whether `concurrency` bounds this process (default) or all processes of the group together. */
  readonly concurrencyScope?: 'process' | 'group'
  /**
   * When a keyed message is given up: `continue` (default) with its successors, or `park` them behind it, in order,
   * until it is redriven or discarded.
   */
  readonly onDeadLetter?: 'park' | 'continue'
  /** A message written by a newer version of its contract: `hold` its lane with a warning in the log, bounded in time (default), or `dead-letter` it. */
  readonly onNewerVersion?: 'hold' | 'dead-letter'
  /** Handler starts per time in this process. Default: none. */
  readonly rateLimit?: RateLimitOptions
  /** Stops the group for a while when attempts fail wholesale. Default: none. `{}`: 10 failures, half of all, in 10 s stop it for 5 s. */
  readonly circuitBreaker?: Partial<BreakerOptions>
  /**
   * Stops the group for a while when messages are given up wholesale, instead of emptying the channel into the dead
   * letters. Default: 100 dead letters, half of all, in 60 s stop it for 60 s. `false`: never.
   */
  readonly killSwitch?: Partial<BreakerOptions> | false

  /** What follows a throw. Defaults: 5 attempts, 100 ms doubling to 30 s, within 24 h, every error but `Reject`. */
  readonly retry?: Partial<RetryPolicy>
  /** Messages this handler does not want are skipped: accepted, counted. Must not throw. */
  filter?(attributes: MessageAttributes & { readonly type: string }): boolean
  /** Longest one attempt may take, ms; then `signal` aborts and the attempt fails with HANDLER_TIMEOUT. Default: the transport's bound. */
  readonly timeoutMs?: number
}

/** Options of `bus.on`. */
export interface EventHandlerOptions extends SharedHandlerOptions {
  /** The consumers that share one copy. Default: the service's name. */
  readonly group?: string
  /** Every instance gets every message, from now on. Not together with `group`. Default false. */
  readonly broadcast?: boolean
  readonly batch?: undefined
}

/** Options of `bus.handle`. The group of a command or request is its channel. */
export interface CommandHandlerOptions extends SharedHandlerOptions {
  readonly batch?: undefined
}

/** Options of a batch handler of events. */
export type EventBatchHandlerOptions = Omit<EventHandlerOptions, 'batch'> & { readonly batch: BatchOptions }

/** Options of a batch handler of commands. */
export type CommandBatchHandlerOptions = Omit<CommandHandlerOptions, 'batch'> & { readonly batch: BatchOptions }

/** What `on` and `handle` return. */
export interface HandlerHandle {
  /** Resolves when it consumes, which is after `start`; rejects if it cannot. */
  readonly ready: Promise<void>
  /** Ends this handler: what runs finishes, what waits is released. The group stays, and its backlog grows. */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>
  /**
   * Stops starting handlers of this handler's (channel, group) in this process. The other handlers of the group pause
   * with it, since they share its lanes.
   */
  pause(): void
  resume(): void
}
