/**
 * The shell around the lane machine: takes what may start, calls handlers, turns their outcomes into verdicts and
 * carries out what the machine asks for. All work happens in turns (`#turn`); events only note what happened and
 * schedule one. A turn gives the event loop back after a slice of time, so that other groups and I/O get theirs.
 */
import type { Timer } from '../../clock/index.ts'
import {
  deadLetterEvents,
  type ProcessEvent,
  processEvents,
  processStartEvents,
  type RetryEvent,
  retryEvents,
  settleEvents,
  skipEvents,
  suspendEvents,
} from '../../diagnostics/index.ts'
import { SluiceError, toError } from '../../errors/index.ts'
import { isExpired, isReject, isRetryAfter } from '../../policy/index.ts'
import type { Consumer, DeadLetterReason, Delivery } from '../../transport/index.ts'
import { type LaneCommand, LaneMachine, type Verdict } from '../lane/index.ts'
import { Batching } from './batching.ts'
import type { HandlerBinding } from './binding.ts'
import { Gate } from './gate.ts'
import { type Entry, HandlerCall, type Route } from './handler-call.ts'
import type { GroupRunnerOptions } from './options.ts'
import { RequestExecutor } from './requests.ts'
import { Sequencer } from './sequencer.ts'
import { TimeOuts } from './time-outs.ts'
import { accept, putBack, verdictOfExhausted, verdictOfFailure, verdictOfUnknownType, verdictOfUnprepared, waitVerdict } from './verdict.ts'

/** A turn's share of the event loop, ms. */
const sliceMs = 5
/** Starts a slice at most: a clock that stands still (tests) must not starve the event loop. */
const startsPerSlice = 8_192
/** While something waits for a time of day: how often the wall clock is looked at, for it may be set, ms. */
const wallLookMs = 5_000
/** Standing still for less is no freeze, however soon others take over: every turn stands still a little. */
const freezeMsMin = 20
/** How long `gaveUp` may hold up a dead letter, ms. */
const gaveUpMaxMs = 5_000

/** Counts of `GroupStats`, written here. */
export interface Counters {
  processed: number
  retried: number
  deadLettered: number
  skipped: number
  expired: number
  received: number
  settlementsLost: number
  lagMs: number
  lastOutcomeAtMs: number
  startedAtMs: number
}

/** See the header of this file. */
export class Dispatcher {
  readonly machine: LaneMachine<Route>
  readonly gate: Gate
  readonly counters: Counters = {
    processed: 0,
    retried: 0,
    deadLettered: 0,
    skipped: 0,
    expired: 0,
    received: 0,
    settlementsLost: 0,
    lagMs: 0,
    lastOutcomeAtMs: 0,
    startedAtMs: 0,
  }
  /** Handler calls under way. */
  slots = 0
  /** Starts nothing while set. */
  paused = false
  /** Called after each turn: there may be room to receive, or nothing left to wait for. */
  afterTurn: (() => void) | undefined = undefined

  readonly #options: GroupRunnerOptions
  readonly #routes: ReadonlyMap<string, HandlerBinding>
  readonly #timeOuts: TimeOuts = new TimeOuts((run) => this.#leaveRun(run))
  readonly #running: Set<HandlerCall> = new Set()
  readonly #batching: Batching = new Batching()
  /** Only where the transport does not keep the producers' order. */
  readonly #sequencer: Sequencer | undefined
  /** A pause of the whole process this long may have cost us what we hold, ms. */
  readonly #freezeMs: number
  #lastTurnMs = 0
  #holdsSomething = false
  #thawing = false
  /** What goes on when the transport is certain after a freeze. */
  readonly #afterThaw: (() => void)[] = []
  readonly #revoked: Map<string, (() => void)[]> = new Map()
  #consumer: Consumer | undefined = undefined
  #executor: RequestExecutor | undefined = undefined
  #scheduled = false
  #inTurn = false
  #sliceEndMs = 0
  #sliceStarts = 0
  #inSlice = false
  #timer: Timer | undefined = undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #nowMs = 0
  #wallMs = 0
  #closed = false

  constructor(options: GroupRunnerOptions) {
    this.#options = options
    const routes = new Map<string, HandlerBinding>()
    for (const binding of options.bindings) for (const type of binding.types) routes.set(type, binding)
    this.#routes = routes
    const { facts } = options.transport
    this.machine = new LaneMachine<Route>(
      {
        order: options.subscription.order,
        onDeadLetter: options.onDeadLetter,
        holdMaxMs: Math.min(options.holdMaxMs, facts.handlingMsMax / 3),
        windowCount: options.subscription.windowCount,
        lot: facts.parkingLot !== 'none',
        attemptsOf: (route) => (route as Route)?.retry.attempts ?? 0,
        seed: Math.floor(options.random() * 2 ** 32),
      },
      (delivery) => routes.get(delivery.envelope.type),
    )
    this.gate = new Gate(options, options.clock.monotonicMs())
    this.#sequencer = facts.publishOrder === 'sequence' ? new Sequencer(options.subscription.windowCount) : undefined
    this.#freezeMs = Math.max(facts.takeOverMs / 3, freezeMsMin)
  }

  /** Deliveries of the channel that are here: in the lanes, or waiting for an earlier one of their producer. */
  get windowCount(): number {
    return this.machine.windowCount + (this.#sequencer?.heldCount ?? 0)
  }

  attach(consumer: Consumer): void {
    this.#consumer = consumer
    this.#executor = new RequestExecutor(consumer, {
      done: (request, deliveries) => {
        this.lookAtClock()
        this.machine.done(request, deliveries)
        this.schedule()
      },
      failed: (request, error) => {
        this.#options.report({
          level: 'warn',
          message: `${request.kind} of a lane failed and is tried again: ${error.message}`,
          details: this.#where({ lane: request.lane.name }),
        })
        this.lookAtClock()
        this.machine.failed(request)
        this.schedule()
      },
    })
    this.schedule()
  }

  /** Tells the machine the time; call it before any event. */
  lookAtClock(): void {
    const { clock } = this.#options
    this.#nowMs = clock.monotonicMs()
    this.#wallMs = clock.nowMs()
    this.machine.setTime(this.#nowMs, this.#wallMs)
  }

  /** Deliveries arrived. */
  arrived(deliveries: readonly Delivery[]): void {
    this.lookAtClock()
    this.counters.received += deliveries.length
    if (this.#sequencer === undefined) this.#intake(deliveries)
    else this.#intakeInSequence(this.#sequencer.offer(deliveries, this.#nowMs))
    this.#turn()
  }

  /** These are gone, though their partition is not. */
  lostDeliveries(deliveries: readonly Delivery[]): void {
    this.#sequencer?.lost(deliveries)
    this.machine.lostDeliveries(deliveries)
  }

  /** The partition is gone. */
  lost(partition: string): void {
    this.#sequencer?.drop(partition)
    this.machine.lost(partition)
  }

  #intakeInSequence(ordered: { readonly deliver: readonly Delivery[]; readonly repeats: readonly Delivery[] }): void {
    for (const delivery of ordered.repeats) this.#skip(delivery, 'repeat')
    this.#intake(ordered.deliver)
  }

  #intake(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const route = this.#routes.get(delivery.envelope.type)
      if (route === undefined) {
        if (this.#options.unhandled === 'skip' && !this.#recorded(delivery.envelope.type)) this.#skip(delivery, 'type')
        else this.machine.arrive(delivery, undefined)
      } else if (this.#isWanted(route, delivery)) this.machine.arrive(delivery, route)
      else this.#skip(delivery, 'filter')
    }
  }

  /** A filter that throws must not cost the rest of the batch: its message goes to the handler. */
  #isWanted(route: HandlerBinding, delivery: Delivery): boolean {
    try {
      return route.accepts(delivery)
    } catch (error) {
      this.#options.report({ level: 'warn', message: `a filter threw, its message is handled: ${toError(error).message}`, details: this.#where({}) })
      return true
    }
  }

  /** The partition is to be handed over; resolves when nothing of it is under way. */
  async revoking(partition: string): Promise<void> {
    this.lookAtClock()
    for (const entry of this.#batching.remove((entry) => entry.delivery.partition === partition)) this.machine.finish(entry, putBack)
    const done = new Promise<void>((resolve) => {
      const waiting = this.#revoked.get(partition)
      if (waiting === undefined) this.#revoked.set(partition, [resolve])
      else waiting.push(resolve)
    })
    this.#sequencer?.drop(partition)
    this.machine.revoking(partition)
    this.schedule()
    await done
    await this.#consumer?.flush()
  }

  /** Nothing new starts; what was gathered goes back. */
  drain(): void {
    this.lookAtClock()
    for (const entry of this.#batching.remove(() => true)) this.machine.finish(entry, putBack)
    this.machine.drain()
    // At once: what is settled already must be with the transport before it is flushed.
    this.#turn()
  }

  /** The deadline of a stop has come: aborts what runs, releases it. Returns how many entries. */
  abandon(reason: SluiceError): number {
    this.lookAtClock()
    for (const run of this.#running) run.abort(reason)
    const count = this.machine.abandonRunning()
    this.#flush()
    return count
  }

  /** Frees the timer; nothing happens any more. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#timer = undefined
    for (const waiting of this.#revoked.values()) for (const resolve of waiting) resolve()
    this.#revoked.clear()
  }

  /** Runs a turn soon, once for all that happens until then. */
  schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  // ------------------------------------------------------------------ turns

  #turn(): void {
    if (this.#inTurn || this.#closed) return
    this.#inTurn = true
    try {
      this.lookAtClock()
      this.#timeOuts.look(this.#nowMs)
      const sequencer = this.#sequencer
      if (sequencer !== undefined && sequencer.nextMs <= this.#nowMs) this.#intakeInSequence(sequencer.expire(this.#nowMs))
      // First what was lost or revoked meanwhile: gathered entries of it must not run.
      if (this.machine.commands.length > 0) this.#flush()
      if (this.#isAwake() && this.#startSlice()) this.#startAll()
      this.#flush()
      this.#lastTurnMs = this.#nowMs
      this.#holdsSomething = this.machine.windowCount > 0 || this.machine.lotWindow > 0
    } finally {
      this.#inTurn = false
    }
    this.#arm()
    this.afterTurn?.()
  }

  /**
   * False: the process may have stood still (frozen, or a handler that blocks) for so long that others took over what it
   * holds, or could not renew its lease. The transport says so before anything starts, at least in a turn of its own.
   */
  #isAwake(): boolean {
    if (this.#thawing) return false
    if (!this.#holdsSomething || (this.#nowMs - this.#lastTurnMs < this.#freezeMs && this.#consumer?.overdue !== true)) return true
    this.#thaw()
    return false
  }

  #thaw(): void {
    this.#thawing = true
    const confirmed = this.#consumer?.confirmHeld?.()
    setImmediate(async () => {
      await confirmed
      this.#thawing = false
      // Time that was needed to be certain is no freeze.
      this.#lastTurnMs = this.#options.clock.monotonicMs()
      for (const goOn of this.#afterThaw.splice(0)) goOn()
      this.schedule()
    })
  }

  /** Whether the process stood still since this turn read the clock: asked right before something begins. */
  #stoodStill(): boolean {
    if (this.#thawing) return true
    const tookMs = this.#options.clock.monotonicMs() - this.#nowMs
    if (tookMs >= this.#freezeMs) this.#thaw()
    else if (tookMs >= 1) this.lookAtClock()
    return this.#thawing
  }

  /** False: this pass of the event loop had its share; a turn follows in the next one. */
  #startSlice(): boolean {
    if (!this.#inSlice) {
      this.#inSlice = true
      this.#sliceEndMs = this.#nowMs + sliceMs
      this.#sliceStarts = 0
      setImmediate(() => {
        this.#inSlice = false
        if (this.#mayStart()) this.#turn()
      })
    }
    return this.#nowMs < this.#sliceEndMs && this.#sliceStarts < startsPerSlice
  }

  /** False: what waits is woken by a slot, a timer or `resume`; a turn in every pass of the loop would only burn time. */
  #mayStart(): boolean {
    return this.machine.readyCount > 0 && this.#hasSlot && this.gate.allows(this.#options.clock.monotonicMs())
  }

  #startAll(): void {
    const { machine, gate } = this
    while (this.#hasSlot && (machine.readyCount > 0 || this.#batching.count > 0) && !this.#stoodStill()) {
      if (this.#nowMs >= this.#sliceEndMs || this.#sliceStarts++ >= startsPerSlice) break
      if (this.#runBatch(Number.NEGATIVE_INFINITY)) continue
      if (!gate.allows(this.#nowMs)) break
      const entry = machine.take()
      if (entry === undefined) break
      gate.began(this.#nowMs)
      this.#begin(entry)
    }
    while (this.#batching.count > 0 && this.#hasSlot && !this.#stoodStill() && this.#runBatch(this.#nowMs));
  }

  get #hasSlot(): boolean {
    return !this.paused && this.slots < this.#options.concurrency
  }

  /** Runs a batch that is full, or old enough at `nowMs`. False: there is none. */
  #runBatch(nowMs: number): boolean {
    const batch = this.#batching.takeRipe(nowMs)
    if (batch !== undefined) this.#run(new HandlerCall(batch.binding, batch.entries))
    return batch !== undefined
  }

  /** Decides what becomes of an entry that may start; mostly: its handler is called. */
  #begin(entry: Entry): void {
    const route = entry.route
    if (route === undefined) {
      this.#unhandled(entry)
      return
    }
    const { delivery } = entry
    if (delivery.envelope.expirytime !== undefined && isExpired(delivery.envelope, this.#wallMs)) {
      this.counters.expired++
      if (skipEvents.hasSubscribers) skipEvents.publish(this.#where({ delivery, because: 'expired' }))
      this.machine.finish(entry, accept)
      return
    }
    if (entry.attempt > route.retry.attempts) {
      this.#end(entry, verdictOfExhausted(this.#options, entry, this.#wallMs))
      return
    }
    this.counters.lagMs = this.#wallMs - delivery.storedAtMs
    let prepared: unknown
    try {
      prepared = route.prepare(delivery)
    } catch (error) {
      this.#end(entry, verdictOfUnprepared(this.#options, entry, error, this.#wallMs), error)
      return
    }
    if (prepared instanceof Promise) {
      this.#prepareLater(entry, route, prepared)
      return
    }
    entry.prepared = prepared
    if (route.batch === undefined) this.#run(new HandlerCall(route, [entry]))
    else this.#gather(entry, route)
  }

  #prepareLater(entry: Entry, route: HandlerBinding, prepared: Promise<unknown>): void {
    this.slots++
    prepared.then(
      (value) => {
        entry.prepared = value
        this.#prepared(entry, route)
      },
      (error: unknown) => {
        this.slots--
        this.lookAtClock()
        this.#end(entry, verdictOfUnprepared(this.#options, entry, error, this.#wallMs), error)
        this.schedule()
      },
    )
  }

  #prepared(entry: Entry, route: HandlerBinding): void {
    this.lookAtClock()
    if (!this.#isAwake()) {
      this.#afterThaw.push(() => this.#prepared(entry, route))
      return
    }
    this.slots--
    if (entry.lost || entry.lane.partition.stopping) this.machine.finish(entry, putBack)
    else if (route.batch === undefined) this.#run(new HandlerCall(route, [entry]))
    else this.#batching.add(entry, route, this.#nowMs)
    this.schedule()
  }

  /** Puts an entry into its handler's batch, with later ones of its lane where the handler takes several. */
  #gather(entry: Entry, route: HandlerBinding): void {
    let full = this.#batching.add(entry, route, this.#nowMs)
    if (route.batch?.perLane !== 'many') return
    while (!full) {
      const next = this.machine.takeSuccessor(entry)
      if (next === undefined) return
      const runnable = next.delivery.envelope.expirytime === undefined && next.attempt <= route.retry.attempts && this.#prepareNow(next, route)
      if (!runnable) {
        this.machine.finish(next, putBack)
        return
      }
      full = this.#batching.add(next, route, this.#nowMs)
    }
  }

  /** Prepares a successor; false: it has to wait until it is its lane's head, where its failure is dealt with. */
  #prepareNow(entry: Entry, route: HandlerBinding): boolean {
    try {
      const prepared = route.prepare(entry.delivery)
      entry.prepared = prepared
      if (!(prepared instanceof Promise)) return true
      prepared.catch(() => undefined)
      return false
    } catch {
      return false
    }
  }

  // ------------------------------------------------------------------ handler calls

  #run(run: HandlerCall): void {
    for (const entry of run.entries) {
      entry.run = run
      entry.failure = undefined
    }
    this.slots++
    let result: undefined | Promise<void>
    let event: ProcessEvent | undefined
    try {
      if (processStartEvents.hasSubscribers || processEvents.hasSubscribers) {
        run.startedAtMs = this.#nowMs
        event = { ...this.#where({}), entries: run.entries, durationMs: undefined, outcomes: undefined, error: undefined }
        result = processStartEvents.runStores(event, () => run.binding.run(run.entries, run))
      } else result = run.binding.run(run.entries, run)
    } catch (error) {
      this.#runEnded(run, { error }, event)
      return
    }
    if (result === undefined) {
      this.#runEnded(run, undefined, event)
      return
    }
    this.#running.add(run)
    this.#timeOuts.watch(run, this.#nowMs)
    result.then(
      () => this.#runSettled(run, undefined, event),
      (error: unknown) => this.#runSettled(run, { error }, event),
    )
  }

  #runSettled(run: HandlerCall, failure: { readonly error: unknown } | undefined, event: ProcessEvent | undefined): void {
    if (run.ended) return
    this.lookAtClock()
    this.#runEnded(run, failure, event)
    this.schedule()
  }

  #runEnded(run: HandlerCall, thrown: { readonly error: unknown } | undefined, event?: ProcessEvent): void {
    run.ended = true
    this.slots--
    this.#running.delete(run)
    this.#timeOuts.forget(run)
    const failure = run.cutShort === undefined ? thrown : { error: run.cutShort }
    const outcomes: string[] | undefined = event === undefined ? undefined : []
    for (const entry of run.entries) {
      const failed = failure ?? entry.failure
      const verdict = failed === undefined ? accept : verdictOfFailure(this.#options, entry, failed.error, this.#wallMs)
      outcomes?.push(!this.machine.decides(entry) ? 'release' : verdict.kind === 'giveUp' ? 'dead-letter' : verdict.kind)
      this.#end(entry, verdict, failed?.error)
    }
    if (event === undefined) return
    event.durationMs = this.#options.clock.monotonicMs() - run.startedAtMs
    event.outcomes = outcomes
    event.error = failure?.error
    processEvents.publish(event)
  }

  /** An entry's attempt is over: counts it, asks the breakers, and tells the machine. */
  #end(entry: Entry, verdict: Verdict, error?: unknown): void {
    if (!this.machine.decides(entry)) {
      this.machine.finish(entry, putBack)
      return
    }
    this.counters.lastOutcomeAtMs = this.#nowMs
    if (verdict.kind === 'accept') {
      this.counters.processed++
      this.gate.breaker?.good(this.#nowMs)
      this.gate.killSwitch?.good(this.#nowMs)
    } else if (verdict.kind === 'retry') {
      this.counters.retried++
      if (!isRetryAfter(error) && verdict.counted) this.#breakerSawFailure()
      if (retryEvents.hasSubscribers) {
        const event: RetryEvent = {
          ...this.#where({}),
          delivery: entry.delivery,
          attempt: entry.attempt,
          delayMs: verdict.delayMs,
          counted: verdict.counted,
          error,
        }
        retryEvents.publish(event)
      }
    } else if (verdict.kind === 'giveUp') {
      if (!isReject(error)) this.#breakerSawFailure()
      const killSwitch = this.gate.killSwitch
      const before = killSwitch?.state
      if (killSwitch?.bad(this.#nowMs) === true) {
        if (before === 'closed') {
          const message = `the kill switch stopped the group: too many messages were given up, last: ${verdict.reason.message}`
          this.#options.report({ level: 'error', message, details: this.#where({ code: verdict.reason.code, fingerprint: verdict.reason.fingerprint }) })
        }
        this.machine.finish(entry, { kind: 'retry', delayMs: Math.max(0, killSwitch.nextMs(this.#nowMs) - this.#nowMs), counted: false })
        return
      }
      this.#giveUp(entry, verdict.reason)
      return
    }
    this.machine.finish(entry, verdict)
  }

  #breakerSawFailure(): void {
    const breaker = this.gate.breaker
    if (breaker === undefined) return
    const before = breaker.state
    if (breaker.bad(this.#nowMs) && before === 'closed')
      this.#options.report({ level: 'warn', message: 'the circuit breaker opened: too many attempts failed', details: this.#where({}) })
  }

  #giveUp(entry: Entry, reason: DeadLetterReason): void {
    this.counters.deadLettered++
    if (deadLetterEvents.hasSubscribers) deadLetterEvents.publish(this.#where({ delivery: entry.delivery, reason }))
    if (entry.route === undefined) {
      // Nobody's handler, so nobody else says it.
      const { id, type } = entry.delivery.envelope
      this.#options.report({ level: 'warn', message: `dead-lettered: ${reason.message}`, details: this.#where({ id, type, code: reason.code }) })
    }
    const told = this.#tell(entry, reason)
    if (told === undefined) {
      this.machine.finish(entry, { kind: 'giveUp', reason })
      return
    }
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      timer.cancel()
      this.lookAtClock()
      this.machine.finish(entry, { kind: 'giveUp', reason })
      this.schedule()
    }
    const timer = this.#options.clock.setTimer(gaveUpMaxMs, end)
    told.then(end, (error: unknown) => {
      this.#reportGaveUp(error)
      end()
    })
  }

  #tell(entry: Entry, reason: DeadLetterReason): undefined | Promise<void> {
    try {
      return entry.route?.gaveUp?.(entry.delivery, reason)
    } catch (error) {
      this.#reportGaveUp(error)
      return undefined
    }
  }

  #reportGaveUp(error: unknown): void {
    this.#options.report({ level: 'warn', message: `telling about a message that was given up failed: ${toError(error).message}`, details: this.#where({}) })
  }

  /** Nobody here handles its type: another member does, or nobody of the group. */
  #unhandled(entry: Entry): void {
    const { delivery } = entry
    const { type } = delivery.envelope
    if (this.#recorded(type)) {
      if (delivery.partition !== '') this.#consumer?.yieldPartition(delivery.partition, type)
      else if (entry.waits > 0) {
        this.machine.finish(entry, { kind: 'release' })
        return
      }
      this.machine.finish(entry, waitVerdict(entry))
    } else if (this.#options.unhandled === 'skip') {
      this.counters.skipped++
      if (skipEvents.hasSubscribers) skipEvents.publish(this.#where({ delivery, because: 'type' }))
      this.machine.finish(entry, accept)
    } else this.#end(entry, verdictOfUnknownType(this.#options, entry, this.#wallMs))
  }

  #recorded(type: string): boolean {
    return this.#consumer?.groupTypes().has(type) ?? true
  }

  #skip(delivery: Delivery, because: 'type' | 'filter' | 'repeat'): void {
    this.counters.skipped++
    if (skipEvents.hasSubscribers) skipEvents.publish(this.#where({ delivery, because }))
    this.machine.accepts.push(delivery)
  }

  /** A handler ignored its aborted signal: its slot and its lane go on without it. */
  #leaveRun(run: HandlerCall): void {
    this.#options.report({
      level: 'warn',
      message: 'a handler ignores its aborted signal and was left to itself; it may overlap with a later attempt',
      details: this.#where({}),
    })
    this.#runEnded(run, undefined)
  }

  // ------------------------------------------------------------------ what the machine asks for

  #flush(): void {
    const consumer = this.#consumer
    if (consumer === undefined) return
    const { machine } = this
    this.#settle(consumer)
    // Callbacks of the transport may add to it while it is walked.
    for (let i = 0; i < machine.commands.length; i++) this.#execute(machine.commands[i] as LaneCommand<Route>)
    machine.commands.length = 0
    this.#executor?.flush()
    if (machine.accepts.length > 0 || machine.releases.length > 0) this.#settle(consumer)
  }

  #settle(consumer: Consumer): void {
    const { machine } = this
    const accepts = machine.accepts
    if (accepts.length > 0) {
      machine.accepts = []
      consumer.accept(accepts)
      if (settleEvents.hasSubscribers) settleEvents.publish(this.#where({ operation: 'accept', deliveries: accepts }))
    }
    const releases = machine.releases
    if (releases.length > 0) {
      machine.releases = []
      this.#sequencer?.released(releases)
      consumer.release(releases)
      if (settleEvents.hasSubscribers) settleEvents.publish(this.#where({ operation: 'release', deliveries: releases }))
    }
  }

  #execute(command: LaneCommand<Route>): void {
    if (command.kind === 'abort') this.#abortLost(command.entry)
    else if (command.kind === 'revoked') {
      const waiting = this.#revoked.get(command.partition)
      this.#revoked.delete(command.partition)
      if (waiting !== undefined) for (const resolve of waiting) resolve()
    } else if (this.machine.isWanted(command)) {
      if (command.kind === 'move' && suspendEvents.hasSubscribers) {
        suspendEvents.publish(
          this.#where({ partition: command.lane.partition.name, lane: command.lane.name, state: command.state.state, count: command.entries.length }),
        )
      }
      this.#executor?.execute(command)
    }
  }

  /** A running entry's delivery is lost: its run is aborted when nothing else is in it. */
  #abortLost(entry: Entry): void {
    const run = entry.run
    if (run instanceof HandlerCall) {
      if (run.ended || !run.entries.every((other) => other.lost)) return
      this.#timeOuts.abort(run, new SluiceError('LEASE_LOST', 'another consumer took over what this delivery belonged to'), this.#nowMs)
      return
    }
    for (const gathered of this.#batching.remove((other) => other === entry)) this.machine.finish(gathered, putBack)
  }

  /** One timer for all that waits in this group. */
  #arm(): void {
    const waitsForGate = this.machine.readyCount > 0 && this.#hasSlot && !this.gate.allows(this.#nowMs)
    const gateMs = waitsForGate ? this.gate.nextMs(this.#nowMs) : Number.POSITIVE_INFINITY
    const batchMs = this.#hasSlot ? this.#batching.nextMs : Number.POSITIVE_INFINITY
    const wakeMs = Math.min(this.machine.nextWakeMs, this.#timeOuts.nextMs, batchMs, gateMs, this.#sequencer?.nextMs ?? Number.POSITIVE_INFINITY)
    const nextMs = wakeMs === Number.POSITIVE_INFINITY ? wakeMs : Math.min(wakeMs, this.#nowMs + wallLookMs)
    if (nextMs === Number.POSITIVE_INFINITY || (this.#timer !== undefined && this.#timerAtMs <= nextMs)) return
    this.#timer?.cancel()
    this.#timerAtMs = nextMs
    this.#timer = this.#options.clock.setTimer(Math.max(0, nextMs - this.#nowMs), () => {
      this.#timer = undefined
      this.#turn()
    })
  }

  #where<T extends object>(more: T): T & { readonly channel: string; readonly group: string } {
    const { channel, group } = this.#options.subscription
    return { channel, group, ...more }
  }
}
