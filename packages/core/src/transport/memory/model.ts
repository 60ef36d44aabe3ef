import type { Clock } from '../../clock/index.ts'
import type { Envelope } from '../../message/envelope.ts'
import type { HeldDelivery } from '../held-deliveries.ts'
import type { WaitingLane } from '../lot/index.ts'
import type { ConsumerObserver } from '../transport.ts'

/** A message as a channel keeps it. */
export interface StoredMessage {
  /** Grows by one a message of the channel. */
  readonly position: number
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
}

/** One group's view of a stored message, from storing to its outcome. */
export interface Entry {
  readonly message: StoredMessage
  /** Set while it is in the parking lot. */
  lane: Lane | undefined
  /** Set while a consumer holds it. */
  holder: MemoryDelivery | undefined
  attempt: number
  deliveries: number
  firstDeliveredAtMs: number | undefined
  notBeforeMs: number
  suspect: boolean
  note: string | undefined
  redrives: number
}

/** A lane that waits outside the log. */
export interface Lane extends WaitingLane<Entry> {
  /** What places it in a partition: the key of its messages, or the id of an unkeyed one. */
  readonly place: string
  /** Changes when the channel's partitions grow. */
  partition: string
}

/** A delivery of this transport: knows its entry, its member and whether it can still be settled. */
export interface MemoryDelivery extends HeldDelivery {
  readonly entry: Entry
  readonly member: Member
}

/** A consumer, as its group sees it. */
export interface Member {
  readonly id: string
  readonly observer: ConsumerObserver
  readonly types: ReadonlySet<string>
  /** Names of the partitions that it owns; the group keeps it. */
  readonly owned: Set<string>
  /** Its process is dead, though nobody knows yet. */
  readonly crashed: boolean
  /** Answers a pending `receive` if there is something for it. */
  serve(): void
  /** Where to begin among `count` queues, another one each time, so that none starves. */
  nextTurn(count: number): number
  hold(delivery: MemoryDelivery): void
  letGo(delivery: MemoryDelivery): void
  /** What it holds, of one partition or in all, oldest first. */
  heldOf(partition?: string): MemoryDelivery[]
}

/** A channel, as its groups see it. */
export interface GroupHome {
  readonly name: string
  readonly clock: Clock
  readonly partitions: number
  removeGroup(group: string): void
}

/** A fresh entry for a message that the group has not seen (or sees again from the start). */
export function newEntry(message: StoredMessage, redrives = 0): Entry {
  return {
    message,
    lane: undefined,
    holder: undefined,
    attempt: 0,
    deliveries: 0,
    firstDeliveredAtMs: undefined,
    notBeforeMs: 0,
    suspect: false,
    note: undefined,
    redrives,
  }
}
