/** The public surface of `@sluice/core`: an explicit list. Transports import `@sluice/core/transport` instead. */
export type {
  Channel,
  ChannelRetention,
  ChannelSettings,
  CommandContract,
  Contract,
  ContractBase,
  ContractInput,
  ContractName,
  ContractOutput,
  EventContract,
  InputOf,
  MessageOf,
  OutputOf,
  ReplyInput,
  ReplyOutput,
  RequestContract,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from './contract/index.ts'
export type {
  BusAdministration,
  DeadLetterFilter,
  DeadLetterItem,
  DeadLetterSelection,
  DeadLetters,
  GroupOption,
  GroupRow,
  Groups,
  ReplayOptions,
} from './endpoint/administration/api.ts'
export type { Bus, StopReport } from './endpoint/bus/api.ts'
export type { CompressionOptions, Connect, ConnectOptions, LimitOptions } from './endpoint/connect/api.ts'
export type { Explanation, RouteExplanation, RoutePromise } from './endpoint/guarantee/api.ts'
export type {
  BatchContext,
  BatchEntry,
  BatchHandler,
  BatchOptions,
  CommandBatchHandlerOptions,
  CommandHandlerOptions,
  EventBatchHandlerOptions,
  EventHandlerOptions,
  EventSelection,
  Handler,
  HandlerContext,
  HandlerHandle,
  Message,
  MessageAttributes,
  RateLimitOptions,
  Selected,
  SharedContext,
  SharedHandlerOptions,
} from './endpoint/handler/api.ts'
export type { ContextLogger, LogFields, Logger } from './endpoint/logging/logger.ts'
export type { HandlerRun, Middleware, SendDraft } from './endpoint/middleware/api.ts'
export type { RequestOptions } from './endpoint/request-reply/api.ts'
export type { ScheduleHandle, ScheduleOptions } from './endpoint/schedule/api.ts'
export type { PublishEntry, PublishManyOptions, PublishOptions, PublishOutcome, PublishReceipt } from './endpoint/sender/api.ts'
export type { BusSender } from './endpoint/sender/bus-sender.ts'
export { type ErrorCode, errorCodes, isSluiceError, SluiceError, type SluiceErrorOptions } from './errors/index.ts'
export type { Envelope } from './message/index.ts'
export type { RetryPolicy } from './policy/index.ts'
export type { DeadLetterReason, GroupStatus, TransportFacts, TransportFactory } from './transport/index.ts'
