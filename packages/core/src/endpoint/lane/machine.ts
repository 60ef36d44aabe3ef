/**
 * The lane's state machine: order, waiting and giving up for one consumer of one (channel, group), the same for every
 * transport. No I/O, no clock, no randomness: events go in by method calls, commands come out in `commands`, `accepts`
 * and `releases`, which the shell (`../dispatch`) empties after each turn. `../../../test/simulation` drives it.
 *
 * A lane is what must stay in order: a key, a message without a key, or the whole channel. It exists only while it
 * holds something.
 *
 * | phase      | means                                             | leaves it                                              |
 * | ---------- | ------------------------------------------------- | ------------------------------------------------------ |
 * | open       | its head runs, or may run                         | accept → next head, or gone when empty                 |
 * |            |                                                   | retry, short → held · retry, long → suspending         |
 * |            |                                                   | give up → parking (park) or givingUp (continue)        |
 * |            |                                                   | head is suspect → recording · older self runs → blocked |
 * | held       | waits locally for its next attempt                | due → open (or recording) · too many held → suspending  |
 * | recording  | waits until an attempt count is durable           | recorded → open                                        |
 * | blocked    | its handler of a lost delivery still runs         | that one ended → open                                  |
 * | suspending | copied to the lot (`move`), or put back there     | done → suspended                                       |
 * |            | with a new due time (`reschedule`)                |                                                        |
 * | suspended  | in the lot; arrivals are moved to the lot's end   | due → reading · changed from outside → suspended/parked |
 * | reading    | the lot's head is being read                      | some → open (draining while `lotRest`) · none → open    |
 * | givingUp   | a dead letter is being stored (`continue`)        | stored → open                                          |
 * | parking    | a dead letter is being stored (`park`)            | stored → parked                                        |
 * | parked     | in the lot behind its dead letter; arrivals too   | redriven or discarded → suspended, due now              |
 *
 * *Draining* is `open` with `lotRest`: the queue came from the lot and the lot may hold more, so arrivals still go to
 * the lot's end. Once a read has emptied the lot, arrivals queue up locally again and the lane is running as before.
 * A partition that is *stopping* (revoking, drain) starts nothing; each lane goes as soon as nothing of it is under way.
 * A partition that is *lost* goes at once; its running handlers are aborted and their outcomes dropped.
 */

import { ownText } from '../../message/index.ts'
import type { AttemptRecord, DeadLetterReason, Delivery, LotLane } from '../../transport/index.ts'
import { DueHeap } from './due-heap.ts'
import { EntryQueue, Lane, type LaneCommand, LaneEntry, type LaneRequest, Partition, type Verdict } from './model.ts'
import { type LaneKind, parseLaneName } from './name.ts'
import { ReadyQueue } from './ready-queue.ts'

/** What decides between holding, suspending and parking (design.md R1). */
export interface LaneMachineOptions {
  readonly order: 'key' | 'channel' | 'none'
  readonly onDeadLetter: 'park' | 'continue'
  /** Longest wait that is held locally, ms; already cut to a third of the transport's handling bound. */
  readonly holdMaxMs: number
  /** Deliveries unsettled at once; a quarter of it may be held, another quarter read from the lot. */
  readonly windowCount: number
  /** Whether the transport has a parking lot; without one every wait is held. */
  readonly lot: boolean
  /**
   * Attempts that an entry may have. Suspects on their last attempt run one at a time: when a message kills the process,
   * only the one that did it, not those beside it, uses its last attempt up. Default: never.
   */
  attemptsOf?(route: unknown): number
  /** 32 random bits, so that nobody can choose keys that are slow to find. Decides nothing. Default: a constant. */
  readonly seed?: number
}

const defaultSeed = 0x9e3779b1

const ioRetryMinMs = 100
const ioRetryMaxMs = 30_000
/** Wall and monotonic time that part by more than this, ms: somebody set the clock. Less is drift. */
const clockJumpMs = 1_000
/** Messages that a lane reads from the lot at first: most have few, and many lanes must fit into the window at once; then, while there are more. */
const lotReadFirst = 4
const lotReadMax = 64

/** See the header of this file. */
export class LaneMachine<Route> {
  /** For the shell to execute, in order; it empties the array. */
  readonly commands: LaneCommand<Route>[] = []
  /** Deliveries to accept; the shell takes the array away. */
  accepts: Delivery[] = []
  /** Deliveries to give back; the shell takes the array away, after `accepts` and before `commands`. */
  releases: Delivery[] = []
  /** Deliveries of the channel (not of the lot) in the machine. */
  windowCount = 0
  windowBytes = 0
  /** Deliveries read from the lot, or about to be. */
  lotWindow = 0
  /** Entries in lanes that are held. */
  heldCount = 0
  /** Entries with a handler. */
  runningCount = 0
  readonly partitions: Map<string, Partition<Route>> = new Map()

  readonly #options: LaneMachineOptions
  readonly #heldMax: number
  readonly #lotWindowMax: number
  readonly #ready: ReadyQueue<Lane<Route>> = new ReadyQueue()
  readonly #due: DueHeap<Lane<Route>> = new DueHeap()
  readonly #lotQueue: ReadyQueue<Lane<Route>> = new ReadyQueue()
  /** Handlers of lost partitions that still run, by the name of their lane, and who waits for their end. */
  readonly #lostRunning: Map<string, { running: number; readonly heirs: Lane<Route>[] }> = new Map()
  /** Lanes whose head is a suspect on its last attempt, while another such runs. */
  readonly #isolationQueue: ReadyQueue<Lane<Route>> = new ReadyQueue()
  #isolated: LaneEntry<Route> | undefined = undefined
  #stopping = false
  #nowMs = 0
  #wallMs = 0
  /** Wall time less monotonic time, when a jump was last looked for. */
  #wallAheadMs = Number.POSITIVE_INFINITY
  /** Finds the route of a message read from the lot. */
  readonly #routeOf: (delivery: Delivery) => Route

  constructor(options: LaneMachineOptions, routeOf: (delivery: Delivery) => Route) {
    this.#options = options
    this.#routeOf = routeOf
    this.#heldMax = Math.max(1, Math.floor(options.windowCount / 4))
    this.#lotWindowMax = this.#heldMax
  }

  // ------------------------------------------------------------------ time

  /** Sets the time for what follows; call it at the start of each turn. Lanes whose time has come are woken. */
  setTime(monotonicMs: number, wallMs: number): void {
    this.#nowMs = monotonicMs
    this.#wallMs = wallMs
    const aheadMs = wallMs - monotonicMs
    if (Math.abs(aheadMs - this.#wallAheadMs) > clockJumpMs) {
      if (aheadMs > this.#wallAheadMs) this.#wallJumped()
      this.#wallAheadMs = aheadMs
    }
    for (let lane = this.#due.popDue(monotonicMs); lane !== undefined; lane = this.#due.popDue(monotonicMs)) this.#wake(lane)
  }

  /**
   * The wall clock went forward by itself. A lane in the lot is due at a time of day, told perhaps by a clock that was behind:
   * when that time has come by the one that was put right, it is due. None is made to wait longer by a clock that goes back.
   */
  #wallJumped(): void {
    for (const partition of this.partitions.values()) {
      for (const lane of partition.allLanes()) {
        if (lane.lotNews !== undefined) lane.lotNews = { ...lane.lotNews, dueMs: this.#sooner(lane.lotNews.dueMs, lane.lotNews.dueAtMs) }
        if (lane.phase !== 'suspended' && lane.phase !== 'suspending') continue
        lane.dueMs = this.#sooner(lane.dueMs, lane.dueAtMs)
        if (lane.phase === 'suspended' && lane.dueMs <= this.#nowMs) this.#lotStep(lane)
        this.#arm(lane)
      }
    }
  }

  /** The earlier of a monotonic time and a wall time that is not past its, as monotonic ms. */
  #sooner(dueMs: number, dueAtMs: number): number {
    return Math.min(dueMs, this.#nowMs + Math.max(0, dueAtMs - this.#wallMs))
  }

  /** When `setTime` is wanted next, monotonic ms; Infinity when nothing waits. Sooner is better where the wall clock may be set. */
  get nextWakeMs(): number {
    return this.#due.nextMs
  }

  /** Lanes that may start; a hint, some of them may have gone. */
  get readyCount(): number {
    return this.#ready.size
  }

  /** Nothing is in the machine and nothing is under way. */
  get idle(): boolean {
    if (this.runningCount > 0) return false
    for (const partition of this.partitions.values()) if (partition.laneCount > 0) return false
    return true
  }

  // ------------------------------------------------------------------ deliveries

  /** A delivery of the channel arrived. False: its partition is not ours (any more); it is forgotten. */
  arrive(delivery: Delivery, route: Route): boolean {
    const partition = this.partitions.get(delivery.partition) ?? (delivery.partition === '' ? this.#newPartition('') : undefined)
    if (partition === undefined || partition.stopping) return false
    const key = delivery.envelope.partitionkey
    const order = this.#options.order
    let lane: Lane<Route>
    if (order === 'key' && key !== undefined) lane = partition.lanes.get(key) ?? this.#newLane('key', key, partition)
    else if (order === 'channel') lane = partition.lanes.get('') ?? this.#newLane('channel', '', partition)
    else lane = this.#newLane('id', delivery.envelope.id, partition)
    this.windowCount++
    this.windowBytes += delivery.sizeBytes
    this.#place(lane, this.#entryOf(delivery, route, lane))
    return true
  }

  /** The next entry to hand to a handler, or undefined. It must come back by `finish`. */
  take(): LaneEntry<Route> | undefined {
    for (;;) {
      const lane = this.#ready.shift()
      if (lane === undefined) return undefined
      lane.inReady = false
      const head = lane.queue.head
      if (lane.gone || lane.phase !== 'open' || lane.running > 0 || lane.verdict !== undefined || head === undefined) continue
      if (lane.lotNews !== undefined || head.suspect || head.unrecorded || head.notBeforeMs > this.#nowMs || lane.partition.stopping) {
        this.#next(lane)
        continue
      }
      return this.#start(lane, head)
    }
  }

  /** The next entry of the same lane and route, to join the run of one just taken (batches with several of a lane), or undefined. */
  takeSuccessor(entry: LaneEntry<Route>): LaneEntry<Route> | undefined {
    const lane = entry.lane
    const next = lane.lastTaken?.next
    if (next?.route !== entry.route) return undefined
    if (next === undefined || lane.gone || lane.phase !== 'open' || lane.partition.stopping || lane.lotNews !== undefined) return undefined
    if (next.state !== 'queued' || next.suspect || next.unrecorded || next.notBeforeMs > this.#nowMs) return undefined
    return this.#start(lane, next)
  }

  /** Whether the outcome of a taken entry counts: not if it was lost, or if an earlier one of its lane is not accepted. */
  decides(entry: LaneEntry<Route>): boolean {
    return !entry.lost && entry.lane.verdict === undefined && entry === entry.lane.queue.head
  }

  /**
   * How a taken entry ended. Several of one lane must be finished in order; once one of them is not accepted, the later
   * ones go back to their place whatever their outcome.
   */
  finish(entry: LaneEntry<Route>, verdict: Verdict): void {
    const lane = entry.lane
    lane.running--
    this.runningCount--
    if (entry.isolated) this.#endIsolation(entry)
    if (entry.lost) {
      if (lane.gone) this.#unblock(lane.name)
      else if (lane.running === 0) this.#settle(lane)
      return
    }
    if (verdict.kind === 'release') {
      for (let other: LaneEntry<Route> | undefined = lane.queue.shift(); other !== undefined; other = lane.queue.shift()) {
        this.releases.push(other.delivery)
        this.#leave(other)
      }
    } else if (verdict.kind === 'accept' && lane.verdict === undefined && entry === lane.queue.head) {
      lane.queue.shift()
      this.#leave(entry)
      this.accepts.push(entry.delivery)
    } else {
      entry.state = 'queued'
      if (verdict.kind !== 'accept' && verdict.kind !== 'putBack' && lane.verdict === undefined && entry === lane.queue.head) lane.verdict = verdict
    }
    if (lane.running === 0) this.#settle(lane)
  }

  // ------------------------------------------------------------------ partitions

  /** A partition is ours, with what its lot holds. */
  assigned(name: string, lotLanes: readonly LotLane[]): void {
    if (this.partitions.has(name)) this.lost(name)
    this.#newPartition(name)
    this.lotChanged(name, lotLanes)
  }

  /** A partition is to be handed over; a `revoked` command follows when nothing of it is under way. */
  revoking(name: string): void {
    const partition = this.partitions.get(name)
    if (partition === undefined) {
      this.commands.push({ kind: 'revoked', partition: name })
      return
    }
    partition.revoking = true
    this.#stop(partition)
  }

  /** A partition is gone: what runs is aborted, its outcomes are dropped. */
  lost(name: string): void {
    const partition = this.partitions.get(name)
    if (partition === undefined) return
    this.partitions.delete(name)
    partition.stopping = true
    const owed = partition.revoking
    partition.revoking = false
    for (const lane of partition.allLanes()) this.#abandon(lane)
    if (owed) this.commands.push({ kind: 'revoked', partition: name })
  }

  /** Single deliveries are gone; the later ones of their key are among them (SPI). */
  lostDeliveries(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const partition = this.partitions.get(delivery.partition)
      if (partition === undefined) continue
      for (const lane of partition.allLanes()) if (this.#loseFrom(lane, delivery)) break
    }
  }

  /** Acceptances that could not be made durable: a lane whose lot still holds its message must be read again. */
  settlementLost(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const partition = this.partitions.get(delivery.partition)
      if (partition === undefined || !delivery.fromLot || partition.stopping) continue
      const kind = this.#kindOf(delivery)
      const key = kind === 'id' ? delivery.envelope.id : kind === 'key' ? (delivery.envelope.partitionkey ?? '') : ''
      this.#lotNews(partition, kind, key, 'suspended', 0)
    }
  }

  /** Lanes of the lot were changed from outside, or are announced with their partition. */
  lotChanged(name: string, lotLanes: readonly LotLane[]): void {
    const partition = this.partitions.get(name) ?? (name === '' ? this.#newPartition('') : undefined)
    if (partition === undefined || partition.stopping) return
    for (const lotLane of lotLanes) {
      const { kind, key } = parseLaneName(lotLane.lane)
      this.#lotNews(partition, kind, key, lotLane.state, lotLane.dueAtMs)
    }
  }

  /** Starts nothing any more, in no partition; `idle` tells when what runs has ended and is settled. */
  drain(): void {
    this.#stopping = true
    for (const partition of [...this.partitions.values()]) this.#stop(partition)
  }

  /** Gives up waiting: running entries are released and aborted. Returns how many. */
  abandonRunning(): number {
    let count = 0
    for (const partition of [...this.partitions.values()]) {
      for (const lane of partition.allLanes()) {
        for (let entry = lane.queue.head; entry !== undefined; entry = entry.next) {
          if (entry.state !== 'running') continue
          this.releases.push(entry.delivery)
          count++
        }
      }
      this.lost(partition.name)
    }
    return count
  }

  // ------------------------------------------------------------------ answers to requests

  /**
   * Whether somebody still waits for a request. The shell asks right before it carries one out: the partition may have
   * been lost since, and even be ours again, and a read nobody waits for would hide what it read.
   */
  isWanted(request: LaneRequest<Route>): boolean {
    return request.lane.io === request
  }

  /** A request was done; `deliveries` answers a read (undefined: the lane is parked). */
  done(request: LaneRequest<Route>, deliveries?: readonly Delivery[]): void {
    const lane = request.lane
    if (lane.io !== request) return
    lane.ioFailures = 0
    if (lane.ioVoid && request.kind === 'record') {
      this.#voidRequest(lane, request)
      return
    }
    lane.io = undefined
    lane.ioVoid = false
    if (request.kind === 'record') {
      if (lane.phase === 'recording') lane.phase = 'open'
    } else if (request.kind === 'move') {
      if (lane.phase === 'suspending') {
        lane.queue.takeAll()
        lane.phase = 'suspended'
      }
      for (const entry of request.entries) this.#leave(entry)
      // Nobody owned it ('' partition): the lot gave it to some partition, whose owner hears of it by `lotChanged`.
      if (lane.partition.name === '') {
        this.#drop(lane)
        return
      }
    } else if (request.kind === 'reschedule') lane.phase = 'suspended'
    else if (request.kind === 'read') this.#readDone(lane, request.countMax, deliveries)
    else this.#deadLetterDone(lane, request.mode)
    this.#proceed(lane)
  }

  /** A request failed; it is tried again later, unless its partition is being given up. */
  failed(request: LaneRequest<Route>): void {
    const lane = request.lane
    if (lane.io !== request) return
    if (lane.ioVoid && !lane.partition.stopping) {
      this.#voidRequest(lane, request)
      return
    }
    if (lane.partition.stopping) {
      // The transport delivers it again.
      this.#cancelRequest(lane)
      this.#proceed(lane)
      return
    }
    lane.ioRetryAtMs = this.#nowMs + Math.min(ioRetryMaxMs, ioRetryMinMs * 2 ** Math.min(lane.ioFailures++, 16))
    this.#arm(lane)
  }

  // ------------------------------------------------------------------ transitions

  #place(lane: Lane<Route>, entry: LaneEntry<Route>): void {
    const phase = lane.phase
    if (lane.lotRest || phase === 'suspended' || phase === 'parked' || phase === 'suspending' || phase === 'parking' || phase === 'reading') {
      if (lane.behind === undefined) lane.behind = new EntryQueue()
      lane.behind.push(entry)
      this.#lotStep(lane)
      return
    }
    lane.queue.push(entry)
    if (phase === 'open') {
      if (lane.queue.size === 1 && lane.running === 0) this.#next(lane)
    } else if (phase === 'held') {
      this.heldCount++
      this.#checkHeld(lane)
    }
  }

  #start(lane: Lane<Route>, entry: LaneEntry<Route>): LaneEntry<Route> {
    entry.state = 'running'
    lane.lastTaken = entry
    lane.running++
    this.runningCount++
    return entry
  }

  /** Nothing of the lane runs: the head's outcome is applied, or the next head looked at. */
  #settle(lane: Lane<Route>): void {
    lane.lastTaken = undefined
    const verdict = lane.verdict
    if (verdict === undefined) {
      if (lane.phase === 'open') this.#next(lane)
      return
    }
    if (lane.io !== undefined) return
    lane.verdict = undefined
    const head = lane.queue.head
    if (head === undefined) this.#next(lane)
    else if (verdict.kind === 'retry') this.#again(lane, head, verdict)
    else if (verdict.kind === 'giveUp') this.#giveUp(lane, head, verdict.reason)
  }

  #again(lane: Lane<Route>, head: LaneEntry<Route>, verdict: Verdict & { readonly kind: 'retry' }): void {
    head.notBeforeMs = this.#nowMs + verdict.delayMs
    if (verdict.note !== undefined) head.note = verdict.note
    head.deliveries++
    if (verdict.counted) head.attempt++
    // A release is recorded too where it waits: the wait outlives a hand-over.
    head.unrecorded = verdict.counted || verdict.delayMs > 0
    if (lane.partition.stopping && head.unrecorded) {
      head.unrecorded = false
      this.#request(lane, { kind: 'record', lane, record: this.#recordOf(head) })
    } else this.#next(lane)
  }

  #giveUp(lane: Lane<Route>, head: LaneEntry<Route>, reason: DeadLetterReason): void {
    // A lane of one message has no successors to park.
    const mode = lane.kind === 'id' || !this.#options.lot ? 'continue' : this.#options.onDeadLetter
    if (mode === 'park') lane.key = ownText(lane.key)
    lane.phase = mode === 'park' ? 'parking' : 'givingUp'
    this.#request(lane, { kind: 'deadLetter', lane, delivery: head.delivery, reason, mode })
  }

  /** The lane is open and nothing of it runs: what about its head? */
  #next(lane: Lane<Route>): void {
    // The head has ended; its outcome waits for a request to be answered.
    if (lane.verdict !== undefined) return
    if (lane.partition.stopping) {
      if (lane.io === undefined) this.#drop(lane)
      return
    }
    const head = lane.queue.head
    if (lane.lotNews !== undefined) {
      if (lane.io !== undefined) return
      // Its attempts must not be forgotten when it goes behind what is in the lot now.
      if (head?.unrecorded === true) this.#recordFirst(lane, head)
      else this.#applyLotNews(lane)
      return
    }
    if (head === undefined) {
      if (lane.lotRest) this.#lotStep(lane)
      else if (lane.io === undefined) this.#drop(lane)
      return
    }
    if (this.#lostRunning.size > 0 && this.#blockedByLost(lane)) return
    if (head.notBeforeMs > this.#nowMs) this.#wait(lane, head)
    else if (head.suspect && !this.#mayRunIsolated(lane, head)) return
    else if (head.suspect || head.unrecorded) this.#recordFirst(lane, head)
    else if (!lane.inReady) {
      lane.inReady = true
      this.#ready.push(lane)
    }
  }

  /** Whether this suspect may start: not while another suspect uses its last attempt, if it is this one's last, too. */
  #mayRunIsolated(lane: Lane<Route>, head: LaneEntry<Route>): boolean {
    if (head.isolated || head.attempt !== this.#options.attemptsOf?.(head.route)) return true
    if (lane.waitsForIsolation) return false
    if (this.#isolated === undefined) {
      this.#isolated = head
      head.isolated = true
      return true
    }
    lane.waitsForIsolation = true
    this.#isolationQueue.push(lane)
    return false
  }

  #endIsolation(entry: LaneEntry<Route>): void {
    if (!entry.isolated) return
    entry.isolated = false
    if (this.#isolated !== entry) return
    this.#isolated = undefined
    while (this.#isolated === undefined) {
      const lane = this.#isolationQueue.shift()
      if (lane === undefined) return
      lane.waitsForIsolation = false
      if (!lane.gone && lane.running === 0 && lane.phase === 'open') this.#next(lane)
    }
  }

  /** R1: hold it here while that is short and few, else suspend the lane. */
  #wait(lane: Lane<Route>, head: LaneEntry<Route>): void {
    const hold = !this.#options.lot || (head.notBeforeMs - this.#nowMs <= this.#options.holdMaxMs && this.heldCount + lane.queue.size <= this.#heldMax)
    if (!hold) {
      if (lane.io === undefined) this.#suspend(lane, head)
      return
    }
    lane.phase = 'held'
    this.heldCount += lane.queue.size
    lane.dueMs = head.notBeforeMs
    this.#arm(lane)
    if (head.unrecorded && lane.io === undefined) this.#recordHeld(lane, head)
  }

  #recordHeld(lane: Lane<Route>, head: LaneEntry<Route>): void {
    head.unrecorded = false
    this.#request(lane, { kind: 'record', lane, record: this.#recordOf(head) })
  }

  #recordFirst(lane: Lane<Route>, head: LaneEntry<Route>): void {
    if (lane.io !== undefined) return
    const begun = head.suspect ? head.attempt : head.attempt - 1
    head.suspect = false
    head.unrecorded = false
    lane.phase = 'recording'
    this.#request(lane, { kind: 'record', lane, record: { ...this.#recordOf(head), attempt: begun } })
  }

  /** A held lane grew, or its record is done: is it still allowed to be held? */
  #checkHeld(lane: Lane<Route>): void {
    const head = lane.queue.head
    if (this.heldCount <= this.#heldMax || !this.#options.lot || lane.io !== undefined || head === undefined || head.notBeforeMs <= this.#nowMs) return
    this.#unhold(lane)
    this.#suspend(lane, head)
  }

  #unhold(lane: Lane<Route>): void {
    if (lane.phase !== 'held') return
    this.heldCount -= lane.queue.size
    lane.phase = 'open'
  }

  #suspend(lane: Lane<Route>, head: LaneEntry<Route>): void {
    const twin = lane.kind === 'id' ? lane.partition.lotIds.get(lane.key) : undefined
    if (twin !== undefined && twin !== lane && lane.partition.name !== '') {
      if (head.unrecorded) this.#recordFirst(lane, head)
      else this.#join(lane, twin)
      return
    }
    lane.phase = 'suspending'
    // It may stay for days, and its messages do not.
    lane.key = ownText(lane.key)
    lane.dueMs = head.notBeforeMs
    head.unrecorded = false
    const record = this.#recordOf(head)
    lane.dueAtMs = record.notBeforeMs
    this.#nameInLot(lane)
    if (head.delivery.fromLot) {
      this.#retreat(lane)
      this.#request(lane, { kind: 'reschedule', lane, dueAtMs: record.notBeforeMs, head: record })
      return
    }
    this.#request(lane, { kind: 'move', lane, entries: lane.queue.toArray(), state: { state: 'suspended', dueAtMs: record.notBeforeMs }, first: record })
  }

  /** A message that was sent twice is two lanes until both wait: the lot knows them as one, so they become one. */
  #join(lane: Lane<Route>, twin: Lane<Route>): void {
    const entries = lane.queue.takeAll()
    this.#drop(lane)
    for (const entry of entries) {
      entry.lane = twin
      this.#place(twin, entry)
    }
  }

  /** What the lane read from its lot is void (it is still there); the rest of its queue goes to the lot's end. */
  #retreat(lane: Lane<Route>): void {
    const behind = new EntryQueue<Route>()
    for (const entry of lane.queue.takeAll()) {
      if (entry.delivery.fromLot) this.#leave(entry)
      else behind.push(entry)
    }
    const head = behind.head
    // It does not run now: who comes before it, perhaps a suspect on its last attempt, too, must not wait for it.
    if (head?.isolated === true) {
      head.suspect = true
      this.#endIsolation(head)
    }
    if (lane.behind !== undefined) for (const entry of lane.behind.takeAll()) behind.push(entry)
    lane.behind = behind.size > 0 ? behind : undefined
    lane.lotRest = false
  }

  /** The lot's next step for this lane, if one is due and nothing is under way. */
  #lotStep(lane: Lane<Route>): void {
    if (lane.io !== undefined || lane.partition.stopping) return
    if (lane.phase === 'open') {
      if (!lane.lotRest) return
      if (lane.queue.size === 0 && lane.running === 0 && this.#read(lane)) return
    } else if (lane.lotNews !== undefined) {
      this.#applyLotNews(lane)
      return
    } else if (lane.phase === 'suspended') {
      if (lane.dueMs <= this.#nowMs && this.#read(lane)) return
    } else if (lane.phase !== 'parked') return
    const behind = lane.behind
    if (behind === undefined) return
    lane.behind = undefined
    // A lane that is there keeps its state. A parked one that is not there any more was let go by a person just now.
    const dueAtMs = lane.phase === 'parked' ? 0 : this.#wallMs + Math.max(0, lane.dueMs - this.#nowMs)
    this.#request(lane, { kind: 'move', lane, entries: behind.takeAll(), state: { state: 'suspended', dueAtMs }, first: undefined })
  }

  /** Reads the lot's head if there is room for it; else the lane queues up for room. */
  #read(lane: Lane<Route>): boolean {
    if (lane.waitsForLotWindow) return false
    const countMax = this.#lotReadCount(lane)
    if (!this.#lotWindowFits(countMax)) {
      lane.waitsForLotWindow = true
      this.#lotQueue.push(lane)
      return false
    }
    this.lotWindow += countMax
    lane.reserved = countMax
    lane.phase = 'reading'
    this.#request(lane, { kind: 'read', lane, countMax })
    return true
  }

  #lotReadCount(lane: Lane<Route>): number {
    // A lane of one message holds one; two, where it was sent twice.
    const wanted = lane.kind === 'id' ? 2 : lane.lotRest ? lotReadMax : lotReadFirst
    return Math.min(wanted, this.#lotWindowMax)
  }

  #lotWindowFits(countMax: number): boolean {
    return this.lotWindow === 0 || this.lotWindow + countMax <= this.#lotWindowMax
  }

  #readDone(lane: Lane<Route>, countMax: number, deliveries: readonly Delivery[] | undefined): void {
    if (deliveries === undefined) {
      this.#unreserve(lane)
      lane.phase = 'parked'
      return
    }
    lane.reserved -= deliveries.length
    for (const delivery of deliveries) lane.queue.push(this.#entryOf(delivery, this.#routeOf(delivery), lane))
    this.#unreserve(lane)
    lane.phase = 'open'
    lane.lotRest = deliveries.length >= countMax
    if (lane.lotRest || lane.behind === undefined) return
    for (const entry of lane.behind.takeAll()) lane.queue.push(entry)
    lane.behind = undefined
  }

  #deadLetterDone(lane: Lane<Route>, mode: 'park' | 'continue'): void {
    const head = lane.queue.shift()
    if (head !== undefined) this.#leave(head)
    if (mode === 'continue') {
      lane.phase = 'open'
      return
    }
    this.#retreat(lane)
    lane.phase = 'parked'
  }

  /** A request of the lane has ended: whatever waited for that. */
  #proceed(lane: Lane<Route>): void {
    if (lane.running === 0 && lane.verdict !== undefined) {
      this.#settle(lane)
      return
    }
    if (lane.partition.stopping) {
      if (lane.running === 0) this.#drop(lane)
      return
    }
    if (lane.phase === 'open') {
      if (lane.running === 0) this.#next(lane)
      if (lane.phase === 'open' && !lane.gone) this.#lotStep(lane)
    } else if (lane.phase === 'held') {
      const head = lane.queue.head
      if (lane.lotNews !== undefined) this.#applyLotNews(lane)
      else if (head?.unrecorded === true) this.#recordHeld(lane, head)
      else this.#checkHeld(lane)
    } else {
      if (lane.phase === 'suspended') this.#arm(lane)
      this.#lotStep(lane)
    }
  }

  #wake(lane: Lane<Route>): void {
    if (lane.ioRetryAtMs > 0 && lane.ioRetryAtMs <= this.#nowMs && lane.io !== undefined) {
      lane.ioRetryAtMs = 0
      this.commands.push(lane.io)
    }
    if (lane.phase === 'held' && lane.dueMs <= this.#nowMs) {
      this.#unhold(lane)
      if (lane.io === undefined) this.#next(lane)
      else if (lane.io.kind === 'record') lane.phase = 'recording'
      else this.#next(lane)
    } else if (lane.phase === 'suspended' && lane.dueMs <= this.#nowMs) this.#lotStep(lane)
    if (!lane.gone) this.#arm(lane)
  }

  #arm(lane: Lane<Route>): void {
    let wakeMs = lane.ioRetryAtMs > 0 ? lane.ioRetryAtMs : Number.POSITIVE_INFINITY
    if ((lane.phase === 'held' || lane.phase === 'suspended' || lane.phase === 'suspending') && lane.dueMs > this.#nowMs && lane.dueMs < wakeMs)
      wakeMs = lane.dueMs
    if (wakeMs === Number.POSITIVE_INFINITY) this.#due.remove(lane)
    else this.#due.set(lane, wakeMs)
  }

  // ------------------------------------------------------------------ the lot, changed from outside

  #lotNews(partition: Partition<Route>, kind: LaneKind, key: string, state: 'suspended' | 'parked', dueAtMs: number): void {
    const known = kind === 'id' ? partition.lotIds.get(key) : partition.lanes.get(key)
    const lane = known ?? this.#newLane(kind, key, partition)
    this.#nameInLot(lane)
    lane.lotNews = { state, dueAtMs, dueMs: this.#nowMs + Math.max(0, dueAtMs - this.#wallMs) }
    if (lane.running > 0 || lane.io !== undefined || lane.phase === 'blocked') return
    this.#applyLotNews(lane)
  }

  #applyLotNews(lane: Lane<Route>): void {
    const news = lane.lotNews
    if (news === undefined) return
    lane.lotNews = undefined
    this.#unhold(lane)
    for (let entry = lane.queue.head; entry !== undefined; entry = entry.next) if (entry.delivery.fromLot) this.releases.push(entry.delivery)
    this.#retreat(lane)
    lane.phase = news.state
    lane.dueMs = news.dueMs
    lane.dueAtMs = news.dueAtMs
    this.#arm(lane)
    this.#lotStep(lane)
  }

  // ------------------------------------------------------------------ ownership

  #stop(partition: Partition<Route>): void {
    partition.stopping = true
    for (const lane of partition.allLanes()) {
      if (lane.ioRetryAtMs > 0) this.#cancelRequest(lane)
      if (lane.running === 0 && lane.io === undefined) this.#drop(lane)
    }
    this.#checkRevoked(partition)
  }

  #checkRevoked(partition: Partition<Route>): void {
    if (!partition.revoking || partition.laneCount > 0) return
    partition.revoking = false
    this.partitions.delete(partition.name)
    this.commands.push({ kind: 'revoked', partition: partition.name })
  }

  /** Forgets a lost lane; what runs of it blocks the lane's next incarnation until it has ended. */
  #abandon(lane: Lane<Route>): void {
    for (let entry = lane.queue.head; entry !== undefined; entry = entry.next) {
      if (entry.state !== 'running') continue
      entry.lost = true
      this.commands.push({ kind: 'abort', entry })
    }
    if (lane.running > 0) {
      const older = this.#lostRunning.get(lane.name)
      if (older === undefined) this.#lostRunning.set(lane.name, { running: lane.running, heirs: [] })
      else older.running += lane.running
    }
    this.#drop(lane)
  }

  #blockedByLost(lane: Lane<Route>): boolean {
    const older = this.#lostRunning.get(lane.name)
    if (older === undefined) return false
    older.heirs.push(lane)
    lane.phase = 'blocked'
    return true
  }

  /** A handler of a lost lane has ended: who waited for it may go on. */
  #unblock(name: string): void {
    const older = this.#lostRunning.get(name)
    if (older === undefined || --older.running > 0) return
    this.#lostRunning.delete(name)
    for (const heir of older.heirs) {
      if (heir.gone || heir.phase !== 'blocked') continue
      heir.phase = 'open'
      this.#next(heir)
    }
  }

  /** Takes a lost delivery out of a lane; what comes behind it of its lane was lost with it, or is its redelivery. */
  #loseFrom(lane: Lane<Route>, delivery: Delivery): boolean {
    if (lane.io !== undefined && this.#concerns(lane.io, delivery)) {
      // Whether it was done before the loss, its answer tells.
      lane.ioVoid = true
      for (const entry of lane.io.kind === 'move' ? lane.io.entries : lane.queue.toArray()) if (entry.delivery === delivery) entry.lost = true
      if (lane.ioRetryAtMs > 0) this.#voidRequest(lane, lane.io)
      return true
    }
    const found = [...lane.queue.toArray(), ...(lane.behind?.toArray() ?? [])].find((entry) => entry.delivery === delivery)
    if (found === undefined) return false
    if (found === lane.queue.head) lane.verdict = undefined
    found.lost = true
    this.#unhold(lane)
    this.#dropLost(lane)
    if (delivery.fromLot) lane.lotNews = { state: 'suspended', dueMs: this.#nowMs, dueAtMs: 0 }
    if (lane.running === 0 && lane.phase === 'open') this.#next(lane)
    return true
  }

  #dropLost(lane: Lane<Route>): void {
    for (const entry of lane.queue.takeAll()) {
      // One that a request is about stays until its answer.
      const asked = entry.lost && lane.io !== undefined && this.#concerns(lane.io, entry.delivery)
      if (!entry.lost || asked) lane.queue.push(entry)
      else {
        if (entry.state === 'running') this.commands.push({ kind: 'abort', entry })
        this.#leave(entry)
      }
    }
    const behind = lane.behind?.takeAll() ?? []
    lane.behind = undefined
    for (const entry of behind) {
      if (entry.lost) this.#leave(entry)
      else {
        lane.behind ??= new EntryQueue()
        lane.behind.push(entry)
      }
    }
  }

  #concerns(request: LaneRequest<Route>, delivery: Delivery): boolean {
    if (request.kind === 'move') return request.entries.some((entry) => entry.delivery === delivery)
    if (request.kind === 'deadLetter') return request.delivery === delivery
    if (request.kind === 'record') return request.record.delivery === delivery
    return request.kind === 'reschedule' && request.head.delivery === delivery
  }

  /** A request failed for good, because a delivery of it is lost: as if it had not been made, without that delivery. */
  #voidRequest(lane: Lane<Route>, request: LaneRequest<Route>): void {
    lane.io = undefined
    lane.ioVoid = false
    lane.ioRetryAtMs = 0
    this.#unhold(lane)
    if (request.kind === 'reschedule') {
      lane.phase = 'suspended'
      lane.dueMs = this.#nowMs
    } else if (request.kind === 'move' && lane.phase !== 'suspending') {
      const later = lane.behind?.takeAll() ?? []
      lane.behind = new EntryQueue()
      for (const entry of [...request.entries, ...later]) lane.behind.push(entry)
    } else {
      if (lane.queue.head?.lost === true && lane.queue.head.delivery.fromLot) lane.lotNews = { state: 'suspended', dueMs: this.#nowMs, dueAtMs: 0 }
      // What the move would have made durable is to be recorded still.
      if (request.kind === 'move' && lane.queue.head !== undefined) lane.queue.head.unrecorded = true
      lane.phase = 'open'
    }
    this.#dropLost(lane)
    if (lane.phase === 'open' && !lane.lotRest && lane.behind !== undefined) {
      for (const entry of lane.behind.takeAll()) lane.queue.push(entry)
      lane.behind = undefined
    }
    this.#proceed(lane)
  }

  // ------------------------------------------------------------------ the table of lanes

  #newPartition(name: string): Partition<Route> {
    const partition = new Partition<Route>(name, this.#options.seed ?? defaultSeed)
    partition.stopping = this.#stopping
    this.partitions.set(name, partition)
    return partition
  }

  #newLane(kind: LaneKind, key: string, partition: Partition<Route>): Lane<Route> {
    const lane = new Lane(kind, key, partition)
    if (kind !== 'id') partition.lanes.add(lane)
    partition.link(lane)
    return lane
  }

  #nameInLot(lane: Lane<Route>): void {
    if (lane.kind === 'id') lane.partition.lotIds.set(lane.key, lane)
  }

  #kindOf(delivery: Delivery): LaneKind {
    if (this.#options.order === 'channel') return 'channel'
    return this.#options.order === 'key' && delivery.envelope.partitionkey !== undefined ? 'key' : 'id'
  }

  #entryOf(delivery: Delivery, route: Route, lane: Lane<Route>): LaneEntry<Route> {
    const waitMs = delivery.notBeforeMs > 0 ? delivery.notBeforeMs - this.#wallMs : 0
    return new LaneEntry(delivery, route, lane, this.#wallMs, waitMs > 0 ? this.#nowMs + waitMs : 0)
  }

  #request(lane: Lane<Route>, request: LaneRequest<Route>): void {
    lane.io = request
    lane.ioRetryAtMs = 0
    this.commands.push(request)
  }

  #cancelRequest(lane: Lane<Route>): void {
    if (lane.io?.kind === 'move') for (const entry of lane.io.entries) this.#leave(entry)
    lane.io = undefined
    lane.ioVoid = false
    lane.ioRetryAtMs = 0
    this.#unreserve(lane)
  }

  #recordOf(head: LaneEntry<Route>): AttemptRecord {
    const record = {
      delivery: head.delivery,
      attempt: head.attempt - 1,
      notBeforeMs: head.notBeforeMs > this.#nowMs ? this.#wallMs + head.notBeforeMs - this.#nowMs : 0,
      firstDeliveredAtMs: head.firstDeliveredAtMs,
    }
    return head.note === undefined ? record : { ...record, note: head.note }
  }

  /** The entry is out of the machine's hands; its room is free. */
  #leave(entry: LaneEntry<Route>): void {
    if (entry.state === 'gone') return
    // One that still runs although it is lost keeps others apart until it has ended.
    if (entry.isolated && entry.state !== 'running') this.#endIsolation(entry)
    entry.state = 'gone'
    if (!entry.delivery.fromLot) {
      this.windowCount--
      this.windowBytes -= entry.delivery.sizeBytes
      return
    }
    this.lotWindow--
    this.#pumpLotQueue()
  }

  #unreserve(lane: Lane<Route>): void {
    if (lane.reserved === 0) return
    this.lotWindow -= lane.reserved
    lane.reserved = 0
    this.#pumpLotQueue()
  }

  #pumpLotQueue(): void {
    for (let lane = this.#lotQueue.head; lane !== undefined; lane = this.#lotQueue.head) {
      if (!lane.gone && !this.#lotWindowFits(this.#lotReadCount(lane))) return
      this.#lotQueue.shift()
      lane.waitsForLotWindow = false
      if (!lane.gone) this.#lotStep(lane)
    }
  }

  /** Forgets a lane with what is left in it (not begun, so the transport still has it). */
  #drop(lane: Lane<Route>): void {
    if (lane.gone) return
    lane.gone = true
    if (lane.phase === 'held') this.heldCount -= lane.queue.size
    for (let entry = lane.queue.head; entry !== undefined; entry = entry.next) this.#leave(entry)
    if (lane.behind !== undefined) for (let entry = lane.behind.head; entry !== undefined; entry = entry.next) this.#leave(entry)
    this.#cancelRequest(lane)
    this.#due.remove(lane)
    const partition = lane.partition
    if (lane.kind === 'id') {
      if (partition.lotIds.size > 0 && partition.lotIds.get(lane.key) === lane) partition.lotIds.delete(lane.key)
    } else partition.lanes.remove(lane)
    partition.unlink(lane)
    if (partition.revoking) this.#checkRevoked(partition)
  }
}
