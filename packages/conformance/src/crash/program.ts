import type { TransportFactory } from '@sluice/core/transport'

/** What a member process is told when it starts. */
export interface MemberOrder {
  /** Module whose export is the transport's factory. */
  readonly module: string
  readonly export: string
  readonly url: string
  readonly options: Readonly<Record<string, unknown>>
  /** File that it appends its history to. */
  readonly history: string
  /** Its name in the history. */
  readonly proc: string
  readonly program: ProgramName
  readonly args: ProgramArguments
}

/** The programs that a member can run. */
export type ProgramName = 'consume' | 'produce' | 'bus-consume' | 'bus-produce'

/** Arguments of all programs; each reads its own. */
export interface ProgramArguments {
  /** consume: the group that it joins (default `g`). */
  readonly group?: string
  /** consume: time that handling one message takes, ms. */
  readonly workMs?: number
  /** consume: deliveries unsettled at once. */
  readonly window?: number
  /** bus-consume: of every `failEvery` attempts one throws. */
  readonly failEvery?: number
  /** bus-consume: attempts before a message is given up. Default 1,000: never. */
  readonly attempts?: number
  readonly concurrency?: number
  /** bus-consume: the message with this number kills its process while it is handled. */
  readonly deadly?: number
  /** bus-consume: every message whose number ends so is rejected for good. */
  readonly poisonEvery?: number
  /** bus-consume: part of a report that says why what this process had in hand comes again; written down as a hand-over. */
  readonly reported?: string
  /** produce: name of the producer, how many messages, in batches of, over how many keys, with a pause between batches. */
  readonly producer?: string
  readonly count?: number
  readonly batch?: number
  readonly keys?: number
  readonly pauseMs?: number
}

/** A program that runs until it has nothing left to do, or is stopped. */
export interface Program {
  /** Resolves when it is ready (joined, connected). */
  start(): Promise<void>
  /** Resolves when it has done all that it was to do by itself; consumers never do. */
  readonly done: Promise<void>
  /** Drains and closes. */
  stop(): Promise<void>
}

/** What a program works with. */
export interface ProgramContext {
  readonly factory: TransportFactory
  readonly order: MemberOrder
}

/** Sent by a member to the process that started it. */
export type MemberReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: string }
