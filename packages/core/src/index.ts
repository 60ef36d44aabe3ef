/** The public surface of `@sluice/core`: an explicit list. Transports import `@sluice/core/transport` instead. */
export type { Clock, Random, Timer } from './clock/index.ts'
export {
  type Channel,
  type ChannelOptions,
  type ChannelRetention,
  type ChannelSettings,
  type CommandContract,
  type Contract,
  type ContractBase,
  type ContractInput,
  type ContractName,
  type ContractOptions,
  type ContractOutput,
  channel,
  command,
  type EventContract,
  type EventContractOptions,
  event,
  type InputOf,
  type JsonSchema,
  type JsonSchemaError,
  type JsonSchemaValidator,
  jsonSchema,
  type MessageOf,
  type OutputOf,
  type ReplyInput,
  type ReplyOutput,
  type RequestContract,
  type RequestContractOptions,
  request,
  type StandardFailure,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
  type StandardSuccess,
  typed,
  type Upcaster,
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
export type { Connect, ConnectOptions, LimitOptions } from './endpoint/connect/api.ts'
export { connect, createConnect } from './endpoint/connect/connect.ts'
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
export { bytesCodec, type Codec, type CompressionOptions, type ContentEncoding, type Envelope, jsonCodec, textCodec } from './message/index.ts'
export { type BreakerOptions, Reject, RetryAfter, type RetryPolicy } from './policy/index.ts'
export type { DeadLetterReason, GroupStatus, TransportFactory, TransportFacts } from './transport/index.ts'
