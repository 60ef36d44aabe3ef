import type { MemberModule } from '../crew.ts'
import type { TorturePlan } from './plan.ts'

/** What a process plays in a run. */
export type ActorRole =
  | { readonly part: 'consumer'; readonly group: number; readonly calm: boolean }
  | { readonly part: 'producer'; readonly producer: number }
  | { readonly part: 'operator' }

/** Where the runs of a transport take place, as a process must know it. */
export interface ActorPlace {
  readonly module: MemberModule
  readonly url: string
  readonly options: Readonly<Record<string, unknown>>
  /** Begins a transaction of the application: an export of type BeginTransaction. */
  readonly transaction?: MemberModule
  /** The application's other SQLite library: an export that is given to `connect({ sqlite })`. */
  readonly otherLibrary?: MemberModule
  /** A transaction through that library. */
  readonly otherTransaction?: MemberModule
}

/** Sent to a process: play a part in a run. */
export interface ActorOrder {
  readonly kind: 'play'
  readonly place: ActorPlace
  readonly plan: TorturePlan
  readonly role: ActorRole
  readonly proc: string
  readonly history: string
  /** How far its wall clock is off at first, ms. */
  readonly clockMs: number
}

/** What an operator can be asked. */
export type Operation = 'redrive' | 'discard' | 'pause' | 'resume' | 'grow' | 'replay' | 'redrive-all' | 'status'

/** Sent to a process that plays. */
export type ActorCommand =
  | ActorOrder
  | { readonly kind: 'stop' }
  | { readonly kind: 'calm' }
  | { readonly kind: 'clock'; readonly ms: number }
  | { readonly kind: 'operate'; readonly operation: Operation; readonly random: number }

/** What is left to do. */
export interface DrainStatus {
  readonly backlog: number
  readonly deadLetters: number
  readonly scheduled: number
  readonly text: string
}

/** Sent by a process. */
export type ActorReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'operated'; readonly status: DrainStatus | undefined; readonly error?: string }

/** A part, played. */
export interface Actor {
  start(): Promise<void>
  stop(): Promise<void>
  /** From now on it causes no trouble. */
  calm?(): void
  jump?(ms: number): void
  operate?(operation: Operation, random: number): Promise<DrainStatus | undefined>
}
