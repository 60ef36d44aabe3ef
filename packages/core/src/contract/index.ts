export { type ChannelOptions, channel } from './channel.ts'
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
  MessageOf,
  ReplyInput,
  ReplyOutput,
  RequestContract,
} from './contract.ts'
export { type ContractOptions, command, type EventContractOptions, event, type RequestContractOptions, request, type Upcaster } from './define.ts'
export type { ReportedIssue } from './issues.ts'
export { checkId, checkKey, checkName, type NameKind, printable } from './names.ts'
export { ContractRegistry, isContract, type KnownChannel } from './registry.ts'
export { type JsonSchema, type JsonSchemaError, type JsonSchemaValidator, jsonSchema, typed } from './schema.ts'
export type { InputOf, OutputOf, StandardFailure, StandardIssue, StandardResult, StandardSchema, StandardSuccess } from './standard-schema.ts'
export { type Checked, checkDelivered, checkInput, checkReplyInput, checkReplyOutput, keyOf } from './validate.ts'
