export type { TransportFacts } from './facts.ts'
export type * from './transport.ts'
