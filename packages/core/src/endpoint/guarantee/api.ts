import type { TransportFacts } from '../../transport/index.ts'

/** One promise of design.md §3, as one route keeps it. */
export interface RoutePromise {
  readonly subject: 'durable-accept' | 'delivery' | 'order' | 'retry' | 'dead-letter' | 'broadcast' | 'start' | 'concurrency' | 'handling-time' | 'reply'
  /** `kept` as promised; `weaker`, as the text says; `none`. */
  readonly level: 'kept' | 'weaker' | 'none'
  /** One or two sentences for people. */
  readonly text: string
  /** Names of the facts it follows from. */
  readonly facts: readonly (keyof TransportFacts)[]
}

/** What one handler's group, or one sending channel, can rely on. */
export interface RouteExplanation {
  readonly transport: string
  readonly channel: string
  /** undefined: a channel that this service only sends to. */
  readonly group: string | undefined
  readonly types: readonly string[]
  readonly promises: readonly RoutePromise[]
}

/** Result of `bus.explain()`. */
export interface Explanation {
  readonly service: string
  readonly routes: readonly RouteExplanation[]
  /** The facts of each transport in use, by its URL without credentials. */
  readonly transports: Readonly<Record<string, TransportFacts>>
  /** All of it in words, several lines. */
  toString(): string
}
