export type { ChannelSettings, CommandContract, Contract, ContractBase, EventContract, RequestContract, Upcasters } from './contract.ts'
export type { InputOf, OutputOf, StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts'
