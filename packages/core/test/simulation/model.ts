/** What broker, members and judge of a simulation say to each other. */
import type { LaneEntry, LaneMachine } from '../../src/endpoint/lane/index.ts'
import type { Envelope } from '../../src/message/index.ts'
import type { Delivery, LotLane } from '../../src/transport/index.ts'

/** One stored message. A resent one is a second copy with the same id. */
export interface Copy {
  readonly index: number
  readonly key: string | undefined
  readonly partition: string
  readonly envelope: Envelope
  /** Its handler always fails. */
  readonly poison: boolean
  place: 'log' | 'lot' | 'done' | 'dead'
  holder: SimMember | undefined
  attempt: number
  notBeforeMs: number
  firstDeliveredAtMs: number | undefined
  deliveries: number
  suspect: boolean
  // the books
  begins: number
  /** Begins that do not count against the bound: releases, deaths, lost settlements. */
  excused: number
  successes: number
  /** Accepted by a handler once, or given up once. */
  hasOutcome: boolean
  redrives: number
  /** Simulated time before which the next attempt must not start. */
  waitUntilMs: number
}

/** What the machine gets. */
export interface SimDelivery extends Delivery {
  readonly copy: Copy
  readonly member: SimMember
  state: 'held' | 'settled' | 'lost'
  /** A handler has begun with it. */
  begun: boolean
  /** It was given to `accept`. */
  accepted?: boolean
  /** Its handler ignores its aborted signal. */
  left?: boolean
}

/** A member, as the broker and the judge see it. */
export interface SimMember {
  readonly name: string
  /** Deliveries that the broker may send it now. */
  readonly room: number
  /** Killed, or left. */
  readonly gone: boolean
  /** It may have lost something that it had no chance to hear of; undefined: never. */
  readonly unaware?: boolean
  /** Stops in order; what it runs after `deadlineMs` is released. */
  leave(deadlineMs: number): void
  /** Dies at once. */
  kill(): void
  readonly running: ReadonlySet<LaneEntry<string>>
  /** Deliveries on their way to it. */
  readonly expected: number
  expect(deliveries: readonly SimDelivery[]): void
  after(delayMs: number, run: () => void): void
  assigned(partition: string, epoch: number, lanes: readonly LotLane[]): void
  revoking(partition: string, done: () => void): void
  lost(partition: string): void
  lostDeliveries(deliveries: readonly SimDelivery[]): void
  lotChanged(partition: string, lanes: readonly LotLane[]): void
  settlementLost(deliveries: readonly SimDelivery[]): void
}

/** A member that is the bare machine in a small shell. */
export interface SimMachineMember extends SimMember {
  readonly machine: LaneMachine<string>
}
