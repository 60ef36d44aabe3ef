/** Life of one group's consumer in this process: joins, receives while there is room, drains and leaves. */
import { handOverEvents, receiveEvents } from '../../diagnostics/index.ts'
import { SluiceError, toError } from '../../errors/index.ts'
import type { Consumer, ConsumerObserver } from '../../transport/index.ts'
import { Dispatcher } from './dispatcher.ts'
import type { GroupRunner, GroupRunnerOptions, GroupStats } from './options.ts'
import { StallWatch } from './stall-watch.ts'

const receiveRetryMinMs = 100
const receiveRetryMaxMs = 10_000
/** What a stop grants the transport to settle and to leave, each, however short its deadline, ms. */
const leaveMsMin = 1_000

/** Makes the runner of one (channel, group); nothing happens before `start`. */
export function createGroupRunner(options: GroupRunnerOptions): GroupRunner {
  return new Runner(options)
}

class Runner implements GroupRunner {
  readonly #options: GroupRunnerOptions
  readonly #dispatcher: Dispatcher
  readonly #stallWatch: StallWatch
  #consumer: Consumer | undefined = undefined
  #stopping: Promise<{ readonly finished: number; readonly released: number }> | undefined = undefined
  #wakeReceiver: (() => void) | undefined = undefined
  #wakeStop: (() => void) | undefined = undefined
  #pausedHere = false
  #pausedByAdmin = false

  constructor(options: GroupRunnerOptions) {
    this.#options = options
    this.#dispatcher = new Dispatcher(options)
    this.#stallWatch = new StallWatch(options, this.#dispatcher)
    this.#dispatcher.afterTurn = () => {
      if (this.#wakeReceiver !== undefined && this.#room() > 0) this.#wakeReceiver()
      if (this.#wakeStop !== undefined && this.#dispatcher.machine.idle) this.#wakeStop()
    }
  }

  async start(): Promise<void> {
    const { transport, subscription } = this.#options
    const consumer = await transport.consume(subscription, this.#observer())
    this.#consumer = consumer
    if (this.#stopping !== undefined) return
    this.#dispatcher.attach(consumer)
    this.#stallWatch.start()
    void this.#receive(consumer)
  }

  stop(options: { readonly deadlineMs: number }): Promise<{ readonly finished: number; readonly released: number }> {
    this.#stopping ??= this.#stop(options.deadlineMs)
    return this.#stopping
  }

  pause(): void {
    this.#pausedHere = true
    this.#setPaused()
  }

  resume(): void {
    this.#pausedHere = false
    this.#dispatcher.gate.reset()
    this.#setPaused()
  }

  get stats(): GroupStats {
    const { counters, machine, gate, paused } = this.#dispatcher
    return {
      processed: counters.processed,
      retried: counters.retried,
      deadLettered: counters.deadLettered,
      skipped: counters.skipped,
      expired: counters.expired,
      received: counters.received,
      settlementsLost: counters.settlementsLost,
      inFlight: machine.runningCount,
      window: this.#dispatcher.windowCount + machine.lotWindow,
      held: machine.heldCount,
      lagMs: counters.lagMs,
      lastOutcomeAtMs: counters.lastOutcomeAtMs,
      paused,
      circuitBreaker: gate.breaker?.state ?? 'closed',
      killSwitch: gate.killSwitch?.state ?? 'closed',
      partitions: machine.partitions.size,
    }
  }

  get #where(): { readonly channel: string; readonly group: string } {
    const { channel, group } = this.#options.subscription
    return { channel, group }
  }

  #setPaused(): void {
    this.#dispatcher.paused = this.#pausedHere || this.#pausedByAdmin
    this.#dispatcher.schedule()
  }

  // ------------------------------------------------------------------ intake

  async #receive(consumer: Consumer): Promise<void> {
    const { subscription, clock, report } = this.#options
    const { machine } = this.#dispatcher
    let failures = 0
    while (this.#stopping === undefined) {
      const room = this.#room()
      if (room <= 0) {
        await new Promise<void>((resolve) => {
          this.#wakeReceiver = resolve
        })
        this.#wakeReceiver = undefined
        continue
      }
      try {
        const deliveries = await consumer.receive(room, Math.max(1, subscription.windowBytes - machine.windowBytes))
        failures = 0
        if (deliveries.length === 0) return
        if (receiveEvents.hasSubscribers) receiveEvents.publish({ channel: subscription.channel, group: subscription.group, deliveries })
        this.#dispatcher.arrived(deliveries)
      } catch (error) {
        if (this.#stopping !== undefined) return
        report({
          level: 'error',
          message: `receiving failed and is tried again: ${toError(error).message}`,
          details: { channel: subscription.channel, group: subscription.group },
        })
        const delayMs = Math.min(receiveRetryMaxMs, receiveRetryMinMs * 2 ** Math.min(failures++, 10))
        await new Promise<void>((resolve) => clock.setTimer(delayMs, resolve))
      }
    }
  }

  /** How many to ask for; waits for a quarter of the window unless nothing else is to do, so that batches stay batches. */
  #room(): number {
    if (this.#stopping !== undefined) return 1
    const { windowCount, windowBytes } = this.#options.subscription
    const dispatcher = this.#dispatcher
    const { machine, paused } = dispatcher
    if (paused) return 0
    const room = windowCount - dispatcher.windowCount
    if (room <= 0 || (machine.windowBytes >= windowBytes && machine.windowCount > 0)) return 0
    return room > windowCount >> 2 || machine.readyCount === 0 ? room : 0
  }

  #observer(): ConsumerObserver {
    const dispatcher = this.#dispatcher
    const event = (then: () => void): void => {
      dispatcher.lookAtClock()
      then()
      dispatcher.schedule()
    }
    const { channel, group } = this.#options.subscription
    const handOver = (partition: string, change: 'assigned' | 'revoked' | 'lost'): void => {
      if (handOverEvents.hasSubscribers) handOverEvents.publish({ channel, group, partition, change })
    }
    return {
      assigned: (partition, lanes) => {
        handOver(partition, 'assigned')
        event(() => dispatcher.machine.assigned(partition, lanes))
      },
      revoking: async (partition) => {
        await dispatcher.revoking(partition)
        handOver(partition, 'revoked')
      },
      lost: (partition) => {
        handOver(partition, 'lost')
        event(() => dispatcher.lost(partition))
      },
      lostDeliveries: (deliveries) => event(() => dispatcher.lostDeliveries(deliveries)),
      lotChanged: (partition, lanes) => event(() => dispatcher.machine.lotChanged(partition, lanes)),
      paused: (paused) => {
        this.#pausedByAdmin = paused
        this.#setPaused()
      },
      settlementLost: (deliveries, error) => {
        dispatcher.counters.settlementsLost += deliveries.length
        this.#options.report({
          level: 'warn',
          message: `${deliveries.length} settlements were lost; those messages come again`,
          error,
          details: { channel, group },
        })
        event(() => dispatcher.machine.settlementLost(deliveries))
      },
    }
  }

  // ------------------------------------------------------------------ the end

  async #stop(deadlineMs: number): Promise<{ readonly finished: number; readonly released: number }> {
    this.#stallWatch.stop()
    const stopBeganMs = this.#options.clock.monotonicMs()
    const consumer = this.#consumer
    const dispatcher = this.#dispatcher
    const { machine } = dispatcher
    const runningBefore = machine.runningCount
    const waiting = machine.windowCount + machine.lotWindow - runningBefore
    this.#wakeReceiver?.()
    if (consumer === undefined) {
      dispatcher.close()
      return { finished: 0, released: 0 }
    }
    dispatcher.drain()
    let released = Math.max(0, waiting)
    if (!(await this.#idleWithin(deadlineMs))) {
      released += dispatcher.abandon(new SluiceError('BUS_STOPPED', 'the stop reached its deadline before the handler ended'))
    }
    const beganMs = this.#options.clock.monotonicMs()
    const leftMs = Math.max(leaveMsMin, deadlineMs - (beganMs - stopBeganMs))
    await this.#settleWithin('the last settlements were not confirmed', leftMs, () => consumer.flush())
    await this.#settleWithin('leaving the group was not confirmed; its lease runs out by itself', leftMs, () => consumer.close())
    dispatcher.close()
    return { finished: runningBefore - machine.runningCount, released }
  }

  /** A transport that cannot write (a full disk, a server that is away) must not hold up a stop. */
  async #settleWithin(failure: string, withinMs: number, settle: () => Promise<void>): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = this.#options.clock.setTimer(withinMs, () => late.reject(new Error(`not within ${Math.round(withinMs)} ms`)), { keepAlive: true })
    const settled = settle()
    try {
      await Promise.race([settled, late.promise])
    } catch (error) {
      settled.catch(() => undefined)
      this.#options.report({ level: 'warn', message: `${failure}: ${toError(error).message}`, details: this.#where })
    } finally {
      timer.cancel()
    }
  }

  #idleWithin(deadlineMs: number): Promise<boolean> {
    const { machine } = this.#dispatcher
    if (machine.idle) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(deadlineMs, () => end(false), { keepAlive: true })
      const end = (idle: boolean): void => {
        this.#wakeStop = undefined
        timer.cancel()
        resolve(idle)
      }
      this.#wakeStop = () => end(true)
    })
  }
}
