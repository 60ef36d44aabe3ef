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
export type { InputOf, OutputOf, StandardFailure, StandardIssue, StandardResult, StandardSchema, StandardSuccess } from './standard-schema.ts'
