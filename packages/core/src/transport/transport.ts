/**
 * The transport SPI: what carries messages. Everything above it (lanes, retries, batches, validation) is the core's;
 * everything below it (storing, leasing, waking up) is the transport's. `docs/how-to/add-a-transport.md` walks through
 * it; `@sluice/conformance` judges it.
 *
 * Words: a *channel* is a named log or queue. A *group* is the consumers that share one copy of a channel's messages.
 * A *partition* is the unit of exclusive ownership inside a group: all messages of a key are in one partition, and at
 * most one consumer owns a partition at a time. Partitions are the transport's: the core only compares their names.
 * A *parking lot* holds, per group, lanes that wait outside the log (suspended until due, or parked behind a dead letter).
 *
 * Rules for implementers
 * - All methods may be called concurrently. None throws synchronously except where said; failures are SluiceErrors.
 * - Hot path: batches in, batches out. No promise, closure or timer per message where one per batch will do.
 * - Nothing is settled before it is asked for, nothing asked for is dropped silently: it is done, or reported `lost`.
 * - After `close` resolves, no callback is called and no timer, descriptor or process is left behind.
 * - Time comes from `TransportContext.clock` only.
 */
import type { Clock } from '../clock/index.ts'
import type { SluiceError } from '../errors/index.ts'
import type { Envelope } from '../message/envelope.ts'
import type { TransportFacts } from './facts.ts'
import type { TransportMaintenance } from './maintenance.ts'

/** Opens transports for some URL schemes. */
export interface TransportFactory {
  /** URL schemes without the colon, e.g. `['file']`. */
  readonly schemes: readonly string[]
  /**
   * Connects. Resolves when the transport can send; rejects with a SluiceError that says what to do
   * (wrong credentials, wrong topology, server too old, file damaged …). Never puts a secret of the URL into an error.
   */
  open(url: string, context: TransportContext): Promise<Transport>
  /** Check, compact and back up what this transport keeps in files of its own; undefined where a server keeps it. */
  maintenance?(): Promise<TransportMaintenance | undefined>
}

/** What the core lends to a transport. */
export interface TransportContext {
  readonly clock: Clock
  /** The service's name, for people (client ids, member lists). */
  readonly service: string
  /** Unique per bus: names this member in heartbeats and broadcast groups. */
  readonly instanceId: string
  /** Something a person should know but nobody can catch: a stall, a reconnect, a hand-over that took long. */
  report(event: TransportReport): void
  /** Transport-specific options of `connect` (e.g. `sqlite`), unknown to the core. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Reported by a transport outside any call. */
export interface TransportReport {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly error?: SluiceError
  readonly details?: Readonly<Record<string, unknown>>
}

/** An open connection to one server, cluster, file or memory. */
export interface Transport {
  readonly facts: TransportFacts
  /**
   * Creates what is missing (channels, groups, their settings) and checks what is there. Idempotent, safe when many
   * processes do it at once. Never deletes and never changes a setting that would lose messages: it rejects with
   * GUARANTEE_UNAVAILABLE or CONTRACT_CONFLICT instead.
   */
  declare(topology: Topology): Promise<void>
  /**
   * Stores a batch durably (as `facts.confirm` says), in order, and resolves when every entry is confirmed or has
   * failed. Calls may overlap; entries of a key are stored in the order of calls. Never rejects for a single entry:
   * failures are listed. With `publishOrder: 'kept'`, once an entry has failed or is unknown, every entry of the same
   * channel and key that is behind it, in this call or in calls that overlap it, fails with NOT_SENT (retryable), so
   * that the core can resend all of them in order. A call
   * overlaps until its promise is settled and the microtasks behind it have run: settle in the turn in which it was decided. An entry for a channel that nobody declared fails with UNROUTED, not
   * retryable: a late reply learns so that its reply channel is gone.
   */
  send(batch: readonly OutgoingMessage[], options?: SendOptions): Promise<SendReport>
  /**
   * Joins a group. Resolves when the group exists and this member is announced; deliveries come by
   * {@link Consumer.receive}. `observer` is called from then on.
   */
  consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer>
  /** Looking and changing from outside the message flow. */
  readonly admin: TransportAdmin
  /**
   * Closes producers and what consumers are left (as by `Consumer.close`), waits for what was enqueued (sends and
   * settlements), frees everything. Idempotent.
   */
  close(): Promise<void>
}

// ---------------------------------------------------------------- topology

/** What a bus needs to exist. */
export interface Topology {
  readonly channels: readonly ChannelDeclaration[]
  readonly groups: readonly GroupDeclaration[]
}

/** A channel as a bus wants it. */
export interface ChannelDeclaration {
  readonly name: string
  /** A channel carries events, or commands and requests; `reply` is an instance's own reply channel, not durable, gone with it. */
  readonly kind: 'events' | 'commands' | 'reply'
  /** Wanted number of partitions for ordered consumption; undefined: the transport's default. May grow later, never shrink. */
  readonly partitions?: number
  readonly retention?: Retention
}

/** How long accepted messages stay in a channel. Each bound alone is enough to trim. */
export interface Retention {
  /** Default: transport's. */
  readonly maxAgeMs?: number
  readonly maxBytes?: number
  /** true (default): never below the slowest group. false: trim anyway; groups that were too slow lose messages, counted. */
  readonly keepForGroups?: boolean
}

/** A group as a bus wants it. */
export interface GroupDeclaration {
  readonly channel: string
  readonly group: string
  /** Where a group starts that does not exist yet; a number is a time, ms since the epoch. */
  readonly from: 'start' | 'end' | number
  readonly order: 'key' | 'channel' | 'none'
  /** Bound on concurrent handlers over all processes of the group (facts.groupConcurrency); undefined: none. */
  readonly groupConcurrency?: number
  /** Gone with its only member (broadcast, reply). */
  readonly ephemeral: boolean
  /**
   * Stated by a sender, who knows only that the group must exist: `order` and `groupConcurrency` are guesses. Compared
   * with nothing when the group exists; when it is made of this, the first declaration or member without `provisional`
   * settles them (what waits already is placed anew, as `order` then says).
   */
  readonly provisional?: boolean
}

// ---------------------------------------------------------------- sending

/** One message on its way in. */
export interface OutgoingMessage {
  readonly channel: string
  readonly envelope: Envelope
  /** Delayed send: ms since the epoch; absent: now. Same instant as `envelope.notbefore`. */
  readonly notBeforeMs?: number
  /** ms since the epoch; same instant as `envelope.expirytime`. */
  readonly expiresAtMs?: number
  /** A second message with this key in the channel within the window is confirmed but not stored. */
  readonly deduplicate?: { readonly key: string; readonly windowMs: number }
  /** 0–9, higher first; only with `facts.priority`. */
  readonly priority?: number
  /** Reject with UNROUTED when the channel has no group at all. Default: keep and count. */
  readonly rejectUnrouted?: boolean
  /** Sum of attributes and body as the core counted it, bytes. */
  readonly sizeBytes: number
}

/** What holds for a whole batch. */
export interface SendOptions {
  /** Some of these were sent before and their fate is unknown: the same ids may be stored already. */
  readonly resend?: boolean
  /**
   * The application's open transaction (facts.transaction). The batch becomes part of it: `send` resolves at once, and
   * commit or rollback decides. Rejects with UNSUPPORTED, SQLITE_TWO_LIBRARIES or INVALID_OPTION.
   */
  readonly transaction?: unknown
  /** Only with `transaction`: what may be missing, to be created inside it (a `declare` would wait for the transaction's lock). */
  readonly topology?: Topology
}

/** Outcome of a batch. An empty list means: all confirmed. */
export interface SendReport {
  readonly failures: readonly SendFailure[]
  /** Entries that were confirmed because of `deduplicate`, by index, with the id that is stored. */
  readonly duplicates?: ReadonlyMap<number, string>
}

/** An entry of a batch that was not confirmed. */
export interface SendFailure {
  /** Position in the batch. */
  readonly index: number
  /** `failed`: certainly not stored. `unknown`: the confirm never came. */
  readonly state: 'failed' | 'unknown'
  readonly error: SluiceError
  /** Whether sending the same entry again later can succeed without a person. */
  readonly retryable: boolean
}

// ---------------------------------------------------------------- consuming

/** A member's wish to join a group. */
export interface Subscription extends GroupDeclaration {
  readonly kind: 'events' | 'commands' | 'reply'
  /** Types this member handles; recorded with the group as the union over its members (promise 2). */
  readonly types: readonly string[]
  /** Deliveries unsettled at once, at most; the transport may fetch less. */
  readonly windowCount: number
  readonly windowBytes: number
}

/** One message handed to this consumer and not settled yet. Transports add fields of their own. */
export interface Delivery {
  readonly envelope: Envelope
  /** Name of the owned partition; '' where nothing is owned (unkeyed messages of transports that share them out). */
  readonly partition: string
  /** Attempts recorded for this group before this delivery (0 at first). */
  readonly attempt: number
  /** Deliveries before this one, as far as known (a floor). */
  readonly deliveries: number
  /** First delivery of this message to the group, ms since the epoch; undefined on the first. */
  readonly firstDeliveredAtMs: number | undefined
  /** `notBeforeMs` of its last {@link AttemptRecord} (the core waits for it, so that back-off survives a hand-over); 0: none. */
  readonly notBeforeMs: number
  /** An earlier consumer died holding it: record the attempt before the handler starts, so that a poison message ends. */
  readonly suspect: boolean
  /** When the channel took it, ms since the epoch. */
  readonly storedAtMs: number
  /** Attributes and body, bytes. */
  readonly sizeBytes: number
  /** Whether it was read from the parking lot; then its lane there shrinks when it is settled. */
  readonly fromLot: boolean
  /** Progress the core stored with it by `record` or `move`, as it was given. */
  readonly note: string | undefined
}

/** What a core tells a transport to remember about a message that is to be tried again. */
export interface AttemptRecord {
  readonly delivery: Delivery
  /** Attempts begun so far. */
  readonly attempt: number
  /** Not before this time, ms since the epoch; 0: at once. */
  readonly notBeforeMs: number
  /** First delivery, ms since the epoch. */
  readonly firstDeliveredAtMs: number
  /** Opaque to the transport (last error's fingerprint …), at most 4,096 characters. */
  readonly note?: string
}

/** A message that a group gives up on. */
export interface DeadLetterRecord {
  readonly delivery: Delivery
  /** Lane that it belongs to, as the core names it (see {@link LotLane.lane}); kept, so that redrive finds the lane's head. */
  readonly lane: string
  readonly reason: DeadLetterReason
  /**
   * `park`: from the same commit on the lane is parked behind it, also while the lot holds no successor yet (then it is
   * listed with count 0); the lot keeps successors until redrive or discard. `continue`: it is not.
   */
  readonly mode: 'park' | 'continue'
}

/** Why a group gave up; kept with the dead letter. */
export interface DeadLetterReason {
  /** Error code of Sluice, or the error's own code or name. */
  readonly code: string
  readonly message: string
  readonly stack?: string
  readonly attempts: number
  readonly deliveries: number
  readonly firstDeliveredAtMs: number
  readonly deadLetteredAtMs: number
  /** Service and instance that gave up. */
  readonly service: string
  readonly instanceId: string
  /** Stable over occurrences of the same fault: code, error name and first stack frame, hashed. */
  readonly fingerprint: string
}

/** State of one lane in the parking lot. */
export interface LotLane {
  /**
   * Name of the lane; opaque to transports, which only store and compare it. The core writes `key:` and the partition
   * key, `id:` and the message id (a message that is its own lane), or `channel` (order over the whole channel).
   */
  readonly lane: string
  readonly partition: string
  /** `suspended`: drain from `dueAtMs` on. `parked`: wait for a person. */
  readonly state: 'suspended' | 'parked'
  readonly dueAtMs: number
  readonly count: number
}

/** Callbacks of a consumer. None may throw; the transport serialises them per consumer. */
export interface ConsumerObserver {
  /**
   * This consumer now owns a partition. Deliveries of it come after the promise resolves. `lanes`: everything the lot
   * holds for it.
   */
  assigned(partition: string, lanes: readonly LotLane[]): void
  /**
   * The transport wants to hand a partition over. The core starts nothing new of it, lets running handlers finish,
   * settles, and resolves; then the transport gives it up. What was not begun is simply dropped by the core, also what
   * a `receive` that was already under way still brings of it.
   */
  revoking(partition: string): Promise<void>
  /** The partition is gone already (lease lost, fenced, disconnected): its deliveries can no longer be settled. */
  lost(partition: string): void
  /**
   * Deliveries that are gone although their partition is not, or that have none ('' partition). A lost one takes the
   * later unsettled ones of its key with it: they are listed too, and come again in order.
   */
  lostDeliveries(deliveries: readonly Delivery[]): void
  /**
   * Lanes of an owned partition were changed in the lot by others: redrive, discard, or the move of an unkeyed message.
   * A lane with count 0 that is not parked is gone: open again. A suspended lane whose last message this owner settles
   * is gone without a call.
   */
  lotChanged(partition: string, lanes: readonly LotLane[]): void
  /** The group was paused or resumed by an administrator; a paused consumer receives nothing. */
  paused(paused: boolean): void
  /** A settlement, record or move that was enqueued could not be made durable. */
  settlementLost(deliveries: readonly Delivery[], error: SluiceError): void
}

/** A member of a group. */
export interface Consumer {
  /**
   * Resolves with at least one delivery, at most `countMax` and (if more than one) `bytesMax` in all; pends while there
   * is nothing, the window is full, or the group is paused. Resolves with [] only when the consumer closes. One call
   * at a time. Order: per partition as stored; redelivered ones first.
   */
  receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]>
  /**
   * Done. Enqueued, flushed by the transport soon (at the latest with the next `receive` or within a few ms).
   * Deliveries from the lot are removed from it. A failure comes back by `observer.settlementLost`.
   */
  accept(deliveries: readonly Delivery[]): void
  /**
   * Give back: delivered again (to this or another member), in order, without counting an attempt. Only for deliveries
   * that are not begun, or whose handler asked for it. Enqueued like `accept`.
   */
  release(deliveries: readonly Delivery[]): void
  /**
   * Remembers attempts, so that they survive this process. Resolves when durable (as settlements are). Like
   * `deadLetter` and `lot.move` all or nothing: with a delivery among them that was lost meanwhile (the observer has
   * heard so), it rejects with LEASE_LOST and has done nothing.
   */
  record(records: readonly AttemptRecord[]): Promise<void>
  /** R2: stores dead letters with a confirm, then accepts the originals. Atomic where the transport can. */
  deadLetter(records: readonly DeadLetterRecord[]): Promise<void>
  /** Resolves when everything enqueued so far is settled or reported lost. */
  flush(): Promise<void>
  /** The group's parking lot; undefined with `facts.parkingLot: 'none'`. */
  readonly lot: ParkingLot | undefined
  /** Types recorded with the group, each with the number of live members that handle it. Cheap (cached, refreshed by the transport). */
  groupTypes(): ReadonlyMap<string, number>
  /** This member cannot handle `type`, which the group is recorded to handle: give the partition to a member that can. */
  yieldPartition(partition: string, type: string): void
  /**
   * After this process stood still (frozen, or its loop blocked) for a good part of `facts.takeOverMs`, or while `overdue`: resolves when it is
   * certain again what this consumer holds; of what others took over, `observer.lost` was told before. Nothing is begun until
   * then. Never rejects. Absent: a turn of the event loop is all that the transport needs to say so.
   */
  confirmHeld?(): Promise<void>
  /**
   * Whether its lease may have run out, so that others may have taken over what it holds: nothing begins before `confirmHeld`
   * has resolved. Read before each turn of handlers, so cheap. Absent: never, as far as it can know.
   */
  readonly overdue?: boolean
  /** Leaves the group: pending `receive` resolves with [], what is unsettled is released at once, partitions are handed on. */
  close(): Promise<void>
}

/**
 * Durable place for lanes that wait outside the log. Each lane belongs to a partition, and only its owner reads it. A
 * keyed lane is in its key's partition. An unkeyed delivery (partition '') may be moved by whoever holds it; its lane is
 * placed by the message's id, and the owner of that partition, the mover or another, hears of it by `lotChanged`.
 * The core keeps at most one call per lane under way. A lane's deliveries that were read and not settled are void (back
 * in the lot, no attempt counted) once the lane is rescheduled, parked by `deadLetter`, or its partition is given up.
 */
export interface ParkingLot {
  /**
   * R1: copies deliveries (in this order) to the end of their lane, creating it with `state` if it is new, confirms,
   * then accepts the originals; atomic where the transport can. A lane that exists keeps its state, its due time and
   * its head. Entries keep what was recorded for them; `first`: newer progress of the first entry.
   */
  move(
    lane: string,
    deliveries: readonly Delivery[],
    state: { readonly state: 'suspended' | 'parked'; readonly dueAtMs: number },
    first?: AttemptRecord,
  ): Promise<void>
  /**
   * The lane's first `countMax` messages in order, from the first that is not read and unsettled. Fewer than `countMax`
   * mean that the lane holds no more ([]: nothing at all); undefined: it is parked. They count as delivered until settled.
   */
  read(partition: string, lane: string, countMax: number): Promise<readonly Delivery[] | undefined>
  /** The lane's head is to be tried again at `dueAtMs`; progress as in `record.` */
  reschedule(partition: string, lane: string, dueAtMs: number, head?: AttemptRecord): Promise<void>
}

// ---------------------------------------------------------------- administration

/** One row of `bus.inspect()`. */
export interface GroupStatus {
  readonly channel: string
  readonly group: string
  /** Messages not yet accepted, delayed ones excluded, lot included. */
  readonly backlog: number
  /** Age of the oldest of them, ms; 0 when there is none. */
  readonly oldestAgeMs: number
  readonly inFlight: number
  readonly deadLetters: number
  readonly parkedLanes: number
  readonly suspendedLanes: number
  readonly consumers: number
  readonly paused: boolean
}

/** One row for channels. */
export interface ChannelStatus {
  readonly channel: string
  readonly kind: 'events' | 'commands' | 'reply'
  /** Messages ever stored. */
  readonly stored: number
  /** Messages kept now, whether or not accepted. */
  readonly kept: number
  /** Events that no group ever asked for. */
  readonly unrouted: number
  /** Delayed messages not yet due. */
  readonly scheduled: number
}

/** A message that a group gave up on, as an administrator sees it. */
export interface DeadLetter {
  /** Of the dead letter itself; grows with time. */
  readonly deadLetterId: string
  readonly envelope: Envelope
  readonly reason: DeadLetterReason
  /** Messages parked behind it in its lane; 0 with `continue`. */
  readonly parkedBehind: number
  /** How often it was redriven before. */
  readonly redrives: number
}

/** Which dead letters: some by id, those of a filter, or all. `limit` bounds all of them. */
export interface DeadLetterQuery {
  readonly deadLetterIds?: readonly string[]
  readonly types?: readonly string[]
  readonly keys?: readonly string[]
  readonly fingerprint?: string
  /** Continue after this deadLetterId. */
  readonly after?: string
  readonly limit?: number
}

/** A recurring message, kept by the transport (facts.schedules). */
export interface ScheduleRecord {
  readonly name: string
  /** Channel and envelope template of the command to send. */
  readonly message: OutgoingMessage
  readonly cron: string
  readonly timeZone: string
  readonly nextAtMs: number
}

/** Administration; every change is durable when it resolves. */
export interface TransportAdmin {
  groups(channel?: string): Promise<readonly GroupStatus[]>
  channels(): Promise<readonly ChannelStatus[]>
  /** Forgets a group with its backlog, dead letters and lot. Rejects while it has live consumers. */
  removeGroup(channel: string, group: string): Promise<void>
  setPaused(channel: string, group: string, paused: boolean): Promise<void>
  /**
   * Delivers again what was stored in [fromMs, toMs) (times; undefined: the oldest kept, now), leaving the rest as it
   * is. Dead letters of that time are taken back, so that their messages come once. Running consumers see `lost` and new
   * assignments. Rejects with UNSUPPORTED without `facts.replay`. Resolves to the number of messages that will come again.
   */
  replay(channel: string, group: string, fromMs: number | undefined, toMs: number | undefined): Promise<number>
  /** Drops the group's backlog and lot. Resolves to the number of messages dropped. */
  purge(channel: string, group: string): Promise<number>
  deadLetters(channel: string, group: string, query: DeadLetterQuery): Promise<readonly DeadLetter[]>
  /**
   * Puts dead letters back: at the head of their lane in the lot (made if it is missing), attempts reset, to be drained
   * at once (`suspended`, due 0, `lotChanged`); parked successors follow in order. Resolves to how many.
   */
  redrive(channel: string, group: string, query: DeadLetterQuery): Promise<number>
  /** Drops dead letters; parked successors follow as if it had been handled. */
  discard(channel: string, group: string, query: DeadLetterQuery): Promise<number>
  /** Reads without consuming, oldest first. `after` is the cursor of the previous page. */
  browse(
    channel: string,
    options: { readonly after?: string; readonly limit: number },
  ): Promise<{ readonly messages: readonly Envelope[]; readonly next: string | undefined }>
  /** Delayed messages not yet due: removes one by id, and frees its deduplication key; false if it is not there (any more). */
  cancel(channel: string, id: string): Promise<boolean>
  /** Recurring schedules (facts.schedules). `putSchedule` keeps `nextAtMs` of one that exists with the same cron and zone. */
  putSchedule(schedule: ScheduleRecord): Promise<ScheduleRecord>
  removeSchedule(name: string): Promise<boolean>
  schedules(): Promise<readonly ScheduleRecord[]>
  /** Compare and set: if `nextAtMs` is still `expectedAtMs`, sends `message` and moves on to `nextAtMs`, atomically. */
  fireSchedule(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean>
}
