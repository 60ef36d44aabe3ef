/** Compares "connected" with "progressing" (promise 7) and reports a stall once, until there is progress again. */
import type { Timer } from '../../clock/index.ts'
import { stallEvents } from '../../diagnostics/index.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { GroupRunnerOptions } from './options.ts'

const stallDefaultMs = 60_000

/** See the header of this file. */
export class StallWatch {
  readonly #options: GroupRunnerOptions
  readonly #dispatcher: Dispatcher
  readonly #stallMs: number
  #timer: Timer | undefined = undefined
  #received = -1
  #lastOutcomeAtMs = -1
  #quietSinceMs = 0
  #reported = false
  #looking = false

  constructor(options: GroupRunnerOptions, dispatcher: Dispatcher) {
    this.#options = options
    this.#dispatcher = dispatcher
    this.#stallMs = options.stallMs ?? stallDefaultMs
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(this.#stallMs / 4, () => {
      this.#look()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(): void {
    const { counters, machine, paused } = this.#dispatcher
    const nowMs = this.#options.clock.monotonicMs()
    if (paused || counters.received !== this.#received || counters.lastOutcomeAtMs !== this.#lastOutcomeAtMs) {
      this.#received = counters.received
      this.#lastOutcomeAtMs = counters.lastOutcomeAtMs
      this.#quietSinceMs = nowMs
      this.#reported = false
      return
    }
    if (this.#reported || nowMs - this.#quietSinceMs < this.#stallMs) return
    if (machine.readyCount > 0) {
      if (this.#dispatcher.gate.allows(nowMs))
        this.#report('messages wait, but no handler has ended', { waiting: machine.windowCount, running: machine.runningCount })
    } else if (machine.windowCount === 0 && machine.lotWindow === 0) this.#lookAtBacklog()
  }

  /** Nothing is here: is there something that should be? */
  #lookAtBacklog(): void {
    if (this.#looking) return
    this.#looking = true
    const { channel, group } = this.#options.subscription
    const quietAt = this.#received
    this.#options.transport.admin.groups(channel).then(
      (rows) => {
        this.#looking = false
        const row = rows.find((other) => other.group === group)
        // Lanes in the parking lot count as backlog and may wait for days; then nothing can be said.
        if (row === undefined || row.paused || row.inFlight > 0 || row.parkedLanes > 0 || row.suspendedLanes > 0) return
        if (row.backlog > 0 && row.oldestAgeMs >= this.#stallMs && quietAt === this.#dispatcher.counters.received) {
          this.#report('connected, but the backlog does not arrive', { backlog: row.backlog, oldestAgeMs: row.oldestAgeMs })
        }
      },
      () => {
        this.#looking = false
      },
    )
  }

  #report(because: string, details: Readonly<Record<string, unknown>>): void {
    this.#reported = true
    const { channel, group } = this.#options.subscription
    this.#options.report({ level: 'error', message: `stall: ${because}`, details: { channel, group, ...details } })
    if (stallEvents.hasSubscribers) stallEvents.publish({ channel, group, because, details })
  }
}
