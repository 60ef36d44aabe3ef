import type { CommandContract, ContractInput, RequestContract } from '../../contract/index.ts'
import type { BusAdministration } from '../administration/api.ts'
import type { Explanation } from '../guarantee/api.ts'
import type {
  BatchHandler,
  CommandBatchHandlerOptions,
  CommandHandlerOptions,
  EventBatchHandlerOptions,
  EventHandlerOptions,
  EventSelection,
  Handler,
  HandlerHandle,
  Selected,
} from '../handler/api.ts'
import type { Middleware } from '../middleware/api.ts'
import type { ScheduleHandle, ScheduleOptions } from '../schedule/api.ts'
import type { BusSender } from '../sender/bus-sender.ts'

/** What `stop` did. */
export interface StopReport {
  /** Messages whose handlers finished while stopping. */
  readonly finished: number
  /** Deliveries given back: not begun, or not finished at the deadline. */
  readonly released: number
}

/**
 * One service's connection to its messages. Made by `connect`; sending works at once, `start` begins consuming.
 * A kind of contract has its own verbs: events `publish` and `on`, commands `send` and `handle`, requests `request` and
 * `handle`.
 */
export interface Bus extends BusSender, BusAdministration, AsyncDisposable {
  readonly service: string
  /** Unique per bus. */
  readonly instanceId: string
  /** Handles events, for the service's group unless `group` or `broadcast` says otherwise. Also after `start`. */
  on<const E extends EventSelection>(events: E, handler: Handler<Selected<E>>, options?: EventHandlerOptions): HandlerHandle
  /** Handles events in batches. */
  on<const E extends EventSelection>(events: E, handler: BatchHandler<Selected<E>>, options: EventBatchHandlerOptions): HandlerHandle
  /** Handles a command, or answers a request: its handler returns the reply's input. */
  handle<C extends CommandContract | RequestContract>(contract: C, handler: Handler<C>, options?: CommandHandlerOptions): HandlerHandle
  /** Handles commands in batches. */
  handle<C extends CommandContract>(contract: C, handler: BatchHandler<C>, options: CommandBatchHandlerOptions): HandlerHandle
  /** Wraps everything sent and handled from now on. Returns the bus. */
  use(middleware: Middleware): this
  /**
   * Sends a command at the times of a cron expression (five fields, names allowed: `30 9 * * mon-fri`), once over all
   * instances that state the same name. A time that passed while nobody ran is made up for once.
   */
  schedule<C extends CommandContract>(
    name: string,
    cron: string,
    command: C,
    data: NoInfer<ContractInput<C>>,
    options?: ScheduleOptions,
  ): Promise<ScheduleHandle>
  /**
   * Checks every handler's needs against what its route can keep (GUARANTEE_UNAVAILABLE, CONTRACT_CONFLICT), declares
   * channels and groups, and begins consuming. Idempotent.
   */
  start(): Promise<void>
  /**
   * Ends intake, lets handlers finish within `deadlineMs` (default 30,000; their `signal` aborts at it), settles,
   * waits for outstanding publishes, and closes. What was not finished is released at once. Idempotent; sending
   * afterwards rejects with BUS_STOPPED. A handler must not await it: it would wait for itself until the deadline.
   */
  stop(options?: { readonly deadlineMs?: number }): Promise<StopReport>
  /** Each route's promise in words, with the facts that it follows from. */
  explain(): Explanation
}
