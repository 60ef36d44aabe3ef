/**
 * What the lane machine is made of: entries (one a delivery), lanes, partitions, and the commands it gives. Plain data;
 * every decision is in `machine.ts`.
 */
import type { AttemptRecord, DeadLetterReason, Delivery } from '../../transport/index.ts'
import { LaneTable } from './lane-table.ts'
import { type LaneKind, laneName } from './name.ts'

/** State of a lane; the transitions stand in the header of `machine.ts`. */
export type LanePhase = 'open' | 'held' | 'recording' | 'blocked' | 'suspending' | 'suspended' | 'parking' | 'parked' | 'givingUp' | 'reading'

/** Where an entry stands: waiting in its lane, with a handler, or out of the machine's hands (settled, moved, dropped). */
export type EntryState = 'queued' | 'running' | 'gone'

/** How an attempt ended, as the policies decided it. */
export type Verdict =
  /** Done, or skipped, or expired. */
  | { readonly kind: 'accept' }
  /** Again after `delayMs`; `counted`: it was an attempt (else a release: `RetryAfter`, waiting for another member). */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly counted: boolean; readonly note?: string | undefined }
  /** No more attempts. */
  | { readonly kind: 'giveUp'; readonly reason: DeadLetterReason }
  /** Not begun after all (a batch that was not run): back to its place, as if it had never been taken. */
  | { readonly kind: 'putBack' }
  /** Given back for another member to take (a shared message whose type only others handle). Not for owned partitions. */
  | { readonly kind: 'release' }

/**
 * What the machine asks its shell to do beside settling. All but `abort` and `revoked` are requests: answered by
 * `machine.done(request, …)` or `machine.failed(request)`. A lane has at most one request under way.
 */
export type LaneCommand<Route> =
  | LaneRequest<Route>
  /** The outcome of this running entry no longer counts: abort its signal. It still must be finished. */
  | { readonly kind: 'abort'; readonly entry: LaneEntry<Route> }
  /** Nothing of the partition is under way any more: resolve `ConsumerObserver.revoking`. */
  | { readonly kind: 'revoked'; readonly partition: string }

/** Commands that are answered. */
export type LaneRequest<Route> =
  /** Make an attempt count durable: `Consumer.record`. */
  | { readonly kind: 'record'; readonly lane: Lane<Route>; readonly record: AttemptRecord }
  /** Copy to the end of the lot's lane, then accept the originals: `ParkingLot.move`. */
  | MoveRequest<Route>
  /** `ParkingLot.read`; answered with the deliveries. */
  | { readonly kind: 'read'; readonly lane: Lane<Route>; readonly countMax: number }
  /** `ParkingLot.reschedule`. */
  | { readonly kind: 'reschedule'; readonly lane: Lane<Route>; readonly dueAtMs: number; readonly head: AttemptRecord }
  /** `Consumer.deadLetter`. */
  | {
      readonly kind: 'deadLetter'
      readonly lane: Lane<Route>
      readonly delivery: Delivery
      readonly reason: DeadLetterReason
      readonly mode: 'park' | 'continue'
    }

/** See {@link LaneRequest}. */
export interface MoveRequest<Route> {
  readonly kind: 'move'
  readonly lane: Lane<Route>
  readonly entries: readonly LaneEntry<Route>[]
  readonly state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number }
  readonly first: AttemptRecord | undefined
}

/**
 * One delivery inside the machine: the only object made per message. It doubles as the dispatcher's `RunEntry`, so that
 * nothing is copied between the two. `Route` is the shell's (which handler it belongs to); the machine only carries it.
 */
export class LaneEntry<Route> {
  readonly delivery: Delivery
  lane: Lane<Route>
  /** The shell's: handler of this message, as found on arrival. */
  route: Route
  next: LaneEntry<Route> | undefined = undefined
  state: EntryState = 'queued'
  /** Number of the attempt that runs or comes next, from 1. */
  attempt: number
  /** Deliveries including this one, from 1; a wait that is held here ends with one, too. */
  deliveries: number
  /** First delivery to the group, wall clock. */
  readonly firstDeliveredAtMs: number
  /** Not to be started before this monotonic time; 0: none. */
  notBeforeMs: number
  /** The attempt must be recorded durably before the handler starts (`Delivery.suspect`). */
  suspect: boolean
  /** A suspect on its last attempt: no other such runs beside it. */
  isolated = false
  /** An attempt failed, or a wait began, and that is not recorded yet. */
  unrecorded = false
  /** Its delivery was lost while the handler ran: the outcome no longer counts. */
  lost = false
  note: string | undefined
  /** How often it waited for another member or a newer version; the shell's. */
  waits = 0
  // The shell's, declared here so that every entry has one shape.
  prepared: unknown = undefined
  failure: { readonly error: unknown } | undefined = undefined
  run: object | undefined = undefined

  constructor(delivery: Delivery, route: Route, lane: Lane<Route>, wallMs: number, notBeforeMs: number) {
    this.delivery = delivery
    this.lane = lane
    this.route = route
    this.attempt = delivery.attempt + 1
    this.deliveries = delivery.deliveries + 1
    this.firstDeliveredAtMs = delivery.firstDeliveredAtMs ?? wallMs
    this.notBeforeMs = notBeforeMs
    this.suspect = delivery.suspect
    this.note = delivery.note
  }
}

/** A singly linked queue: a lane's entries change places without copying. */
export class EntryQueue<Route> {
  head: LaneEntry<Route> | undefined = undefined
  tail: LaneEntry<Route> | undefined = undefined
  size = 0

  push(entry: LaneEntry<Route>): void {
    entry.next = undefined
    if (this.tail === undefined) this.head = entry
    else this.tail.next = entry
    this.tail = entry
    this.size++
  }

  shift(): LaneEntry<Route> | undefined {
    const entry = this.head
    if (entry === undefined) return undefined
    this.head = entry.next
    if (this.head === undefined) this.tail = undefined
    entry.next = undefined
    this.size--
    return entry
  }

  /** Takes everything out, in order. */
  takeAll(): LaneEntry<Route>[] {
    const all = this.toArray()
    this.head = undefined
    this.tail = undefined
    this.size = 0
    for (const entry of all) entry.next = undefined
    return all
  }

  toArray(): LaneEntry<Route>[] {
    const all: LaneEntry<Route>[] = []
    for (let entry = this.head; entry !== undefined; entry = entry.next) all.push(entry)
    return all
  }
}

/** One lane that holds something now. Made on arrival, dropped when empty: an idle key costs no memory. */
export class Lane<Route> {
  readonly kind: LaneKind
  key: string
  readonly partition: Partition<Route>
  phase: LanePhase = 'open'
  /** What may start, in order; entries with a handler stay at its head until they are settled. */
  readonly queue: EntryQueue<Route> = new EntryQueue()
  /** Arrivals that wait for a place behind what is in the lot. Made when first needed. */
  behind: EntryQueue<Route> | undefined = undefined
  /** Entries of this lane with a handler now. */
  running = 0
  /** The last entry that was taken in this run. */
  lastTaken: LaneEntry<Route> | undefined = undefined
  /** Outcome of the head that is not accept, applied when nothing of the lane runs any more. */
  verdict: Verdict | undefined = undefined
  /** While the lane is drained: the lot may hold messages of it beyond those in `queue`. */
  lotRest = false
  /** The lot was changed from outside, and the change is not applied yet. */
  lotNews: { readonly state: 'suspended' | 'parked'; readonly dueMs: number; readonly dueAtMs: number } | undefined = undefined
  /** Monotonic time until which it is held or suspended. */
  dueMs = 0
  /** In the lot: the wall time that stands there. 0: at once. */
  dueAtMs = 0
  /** The request under way, or waiting to be tried again (`ioRetryAtMs` > 0). */
  io: LaneRequest<Route> | undefined = undefined
  ioRetryAtMs = 0
  ioFailures = 0
  /** A delivery of the request under way is lost: it must not be tried again. */
  ioVoid = false
  /** What a read under way may bring (its share of the machine's lot window). */
  reserved = 0
  /** In the queue for a place in the lot window. */
  waitsForLotWindow = false
  /** In the queue for the one suspect on its last attempt that may run at a time. */
  waitsForIsolation = false
  /** In the queue of lanes that may start. */
  inReady = false
  /** No longer part of the machine. */
  gone = false
  // places in the heap of due times, in the partition's table and in its list
  wakeMs = 0
  heapIndex = -1
  keyHash = 0
  nextInBucket: Lane<Route> | undefined = undefined
  nextLane: Lane<Route> | undefined = undefined
  previousLane: Lane<Route> | undefined = undefined

  constructor(kind: LaneKind, key: string, partition: Partition<Route>) {
    this.kind = kind
    this.key = key
    this.partition = partition
  }

  /** Its name in the parking lot. */
  get name(): string {
    return laneName(this.kind, this.key)
  }
}

/** One partition that this consumer owns: its lanes, and whether it is being given up. */
export class Partition<Route> {
  readonly name: string
  /** Keyed and channel lanes that hold something, by key. */
  readonly lanes: LaneTable<Lane<Route>>
  /** Lanes of one message that are in the lot, by message id. */
  readonly lotIds: Map<string, Lane<Route>> = new Map()
  /** All lanes that hold something, linked (unkeyed lanes are in no map). */
  first: Lane<Route> | undefined = undefined
  laneCount = 0
  /** Nothing new starts; what runs finishes. */
  stopping = false
  /** A `revoked` command is owed when it is empty. */
  revoking = false

  constructor(name: string, seed: number) {
    this.name = name
    this.lanes = new LaneTable(seed)
  }

  link(lane: Lane<Route>): void {
    lane.nextLane = this.first
    lane.previousLane = undefined
    if (this.first !== undefined) this.first.previousLane = lane
    this.first = lane
    this.laneCount++
  }

  unlink(lane: Lane<Route>): void {
    if (lane.previousLane === undefined) this.first = lane.nextLane
    else lane.previousLane.nextLane = lane.nextLane
    if (lane.nextLane !== undefined) lane.nextLane.previousLane = lane.previousLane
    // A dead lane that has grown old must not keep its younger neighbours: the collector would copy them all, one after the other.
    lane.nextLane = undefined
    lane.previousLane = undefined
    this.laneCount--
  }

  /** A copy, so that lanes may go while it is walked. */
  allLanes(): Lane<Route>[] {
    const all: Lane<Route>[] = []
    for (let lane = this.first; lane !== undefined; lane = lane.nextLane) all.push(lane)
    return all
  }
}
