/**
 * The history of a run: what clients asked for, what they were told, and what was done to them. One JSON object a line,
 * in the order of `i`. Whoever judges a run needs nothing else; a seed and a history replay any finding.
 *
 * `invoke` is written before the operation begins, its outcome after it is known: `ok`, `fail` (proven not to have
 * happened) or `info` (nobody knows). An operation without an outcome counts as `info`.
 */
export interface HistoryEvent {
  /** Place in the history, from 0, without gaps. */
  readonly i: number
  /** Machine-wide monotonic time, ns. */
  readonly monoNs: number
  /** Wall-clock time, ms since the epoch; only needed where due or expiry times are judged (I11). */
  readonly wallMs?: number
  /** Process (or simulated member) that reports. */
  readonly proc: string
  readonly type: 'invoke' | 'ok' | 'fail' | 'info'
  readonly f: HistoryOperation
  readonly channel?: string
  readonly group?: string
  readonly id?: string
  readonly key?: string
  /** Producer and its own count of sends, from 0: the order in which it called. */
  readonly producer?: string
  readonly seq?: number
  /** Number of the attempt (`deliver`), or attempts in all (`deadletter`). */
  readonly attempt?: number
  /** Hash of body, key and headers. */
  readonly sha256?: string
  /** `send`: not before; compared with `wallMs` of deliveries. */
  readonly dueMs?: number
  /** `send`: transaction that it is part of; `tx`: its name. */
  readonly tx?: string
  /** `send`: repeats of one key are one message; its outcome: the id that is stored instead. */
  readonly deduplicate?: string
  readonly storedAs?: string
  /** `deliver`: runs that begin together (a batch with several of a lane). */
  readonly run?: string
  /** `deliver`, `accept`, `effect`: partition and epoch of the lease under which it happens. */
  readonly partition?: string
  readonly epoch?: number
  /** `deadletter`: bound on attempts, and whether it was reached (else: rejected, undecodable …). */
  readonly attemptsMax?: number
  readonly exhausted?: boolean
  /** `deadletter` mode, `park`: the dead letter that it waits behind. */
  readonly behind?: string
  /** `fault`: what was done, and to whom. */
  readonly fault?: 'death' | 'freeze' | 'restart' | 'lease-expired' | 'hand-over' | 'settlement-lost'
  readonly victim?: string
  /** `fault`: it began at this time, before it could be written down. See {@link settleFaults}. */
  readonly sinceNs?: number
}

/**
 * What a line is about. `lease`: a member was granted a partition; `replay`: a person asks for messages again; `join`, `leave`:
 * an instance begins and ends to consume; `drained`: nothing is left to do.
 */
export type HistoryOperation =
  | 'send'
  | 'tx'
  | 'deliver'
  | 'effect'
  | 'accept'
  | 'release'
  | 'reject'
  | 'skip'
  | 'suspend'
  | 'park'
  | 'deadletter'
  | 'redrive'
  | 'discard'
  | 'replay'
  | 'expire'
  | 'purge'
  | 'unrouted'
  | 'lease'
  | 'join'
  | 'leave'
  | 'drained'
  | 'fault'

/** Name of an invariant of the checker. */
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I11' | 'form'

/** Something in a history that must not be. */
export interface Violation {
  readonly invariant: Invariant
  readonly message: string
  /** Line of the history that shows it. */
  readonly at: number
  readonly id?: string
  readonly group?: string
}

/** What the run promised, as far as the checker must know it. */
export interface HistoryScope {
  /** Groups of each channel; a channel with none must count its events as unrouted. */
  readonly groups: Readonly<Record<string, readonly string[]>>
  /** The run ended with a full drain: every accepted message must have come to its end (I1). Default true. */
  readonly drained?: boolean
  /** Groups that began late, or ended early: what they missed is not judged (I1). Default: none. */
  readonly partial?: readonly string[]
  /** Groups whose effects are recorded, one for each message that is done (I5). Default: none. */
  readonly effects?: readonly string[]
  /** Groups that keep order per key (I6). Default: all. */
  readonly ordered?: readonly string[]
  /** Groups that hold the rest of a key's lane back while a message of it is a dead letter (`park`). Default: none. */
  readonly parking?: readonly string[]
  /** Whether a confirmed settlement is a promise of the transport (I8). Default true. */
  readonly settlementConfirmed?: boolean
  /** How long a lease lasts, ms: so long after a standstill it may still be lost (I4). Default: only until its holder moves again. */
  readonly leaseMs?: number
}
