/** What the page is told twice a second: plain data, the only thing that server and browser share. */
import type { Mode } from '../services/process/control.ts'
import type { ServiceName } from '../services/topology.ts'
import type { ServiceState } from '../supervisor/children.ts'

/** One service. */
export interface ServiceView {
  readonly state: ServiceState
  readonly handledPerSecond: number
  /** Messages in its file that are not sent yet. */
  readonly toSend: number
}

/** One group of one channel. */
export interface GroupView {
  readonly service: ServiceName
  readonly channel: string
  readonly group: string
  readonly backlog: number
  readonly oldestAgeMs: number
  readonly inFlight: number
  readonly deadLetters: number
  readonly consumers: number
}

/** All messages from one service to another. */
export interface EdgeView {
  readonly from: ServiceName
  readonly to: ServiceName
  readonly perSecond: number
  readonly backlog: number
  readonly oldestAgeMs: number
}

/** The whole picture. */
export interface PageState {
  readonly atMs: number
  readonly mode: Mode
  readonly latencies: { readonly payment: number; readonly courier: number; readonly sms: number }
  readonly feed: { readonly posted: number; readonly total: number; readonly paused: boolean }
  /** undefined: no burst on its way. */
  readonly burst?: { readonly sent: number; readonly total: number } | undefined
  readonly api: {
    readonly p50Ms?: number | undefined
    readonly p99Ms?: number | undefined
    readonly perSecond: number
    readonly failures: number
    readonly waiting: number
  }
  readonly services: Readonly<Record<ServiceName, ServiceView>>
  readonly groups: readonly GroupView[]
  readonly edges: readonly EdgeView[]
  readonly totals: {
    readonly accepted: number
    readonly completed: number
    readonly cancelled: number
    readonly refunded: number
    readonly open: number
    readonly redelivered: number
    readonly deadLetters: number
  }
  readonly priceList: { readonly version: number; readonly heard: number }
}

/** One point of the charts: time (s since the epoch), p50, p99, orders/s, messages/s, messages waiting. */
export type HistoryPoint = readonly [number, number | null, number | null, number, number, number]

/** What a button asks for. */
export type Action =
  | { readonly action: 'stop' | 'start'; readonly service: ServiceName }
  | { readonly action: 'mode'; readonly mode: Mode }
  | { readonly action: 'burst' | 'price-list' | 'pause' | 'resume' }
