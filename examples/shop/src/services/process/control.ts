/** What the supervisor and a service's process say to each other over the process channel: control only, no business. */
import type { ProviderLatencies } from '../../providers/provider.ts'
import type { ServiceName } from '../topology.ts'

/** How orders are worked off. */
export type Mode = 'asynchronous' | 'synchronous'

/** What a process is started with, as JSON in its first argument. The bus is in its environment: others read arguments, and a URL holds a password. */
export interface ProcessSettings {
  readonly service: ServiceName
  /** Folder of the run: business files and provider ledgers. */
  readonly folder: string
  readonly latencies: ProviderLatencies
  readonly mode: Mode
  /** Known to the processes of this run only; the chain's servers ask for it. */
  readonly token: string
  /** Port of the order API and the chain's server; 0: any. */
  readonly port: number
}

/** Supervisor → service. */
export type Instruction =
  | { readonly kind: 'peers'; readonly ports: Partial<Record<ServiceName, number>> }
  | { readonly kind: 'mode'; readonly mode: Mode }
  | { readonly kind: 'latencies'; readonly latencies: ProviderLatencies }
  | { readonly kind: 'stop'; readonly deadlineMs: number }

/** Service → supervisor. */
export type Report =
  | { readonly kind: 'ready'; readonly port: number; readonly instanceId: string }
  | ({ readonly kind: 'figures' } & ServiceFigures)
  | { readonly kind: 'complaint'; readonly text: string }
  | { readonly kind: 'stopped'; readonly finished: number; readonly released: number; readonly toSend: number }

/** Counters of one process since it began, four times a second. */
export interface ServiceFigures {
  readonly handled: Readonly<Record<string, number>>
  readonly sent: Readonly<Record<string, number>>
  readonly toSend: number
  readonly redelivered: number
  readonly own: Readonly<Record<string, number>>
}
