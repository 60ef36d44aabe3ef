import type { Clock, Timer } from '../../clock/index.ts'
import { SluiceError, toError } from '../../errors/index.ts'
import type { OutgoingMessage, Transport } from '../../transport/index.ts'
import type { ScheduleHandle } from './api.ts'
import { Cron } from './cron.ts'

interface Entry {
  readonly name: string
  readonly cron: Cron
  readonly expression: string
  readonly timeZone: string
  readonly transport: Transport
  /** Makes the message of one firing. */
  readonly message: (atMs: number) => OutgoingMessage
  nextAtMs: number
}

/** What a scheduler needs. */
export interface SchedulerOptions {
  readonly clock: Clock
  /** A firing that failed; it is tried again. */
  failed(name: string, error: Error): void
}

// A schedule that another instance moved on, or that could not be fired, is looked at again after this.
const againMs = 1_000

/**
 * Fires the schedules that this instance states. The transport keeps each schedule's next time, and fires it by compare
 * and set: whichever instance is first sends, the others only learn the new time. A time that passed while nobody ran is
 * made up for once, however many were missed.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #entries: Map<string, Entry> = new Map()
  #timer: Timer | undefined
  #running = false
  #busy: Promise<void> = Promise.resolve()

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** States a schedule. Rejects with INVALID_OPTION, UNSUPPORTED (fact `schedules`). */
  async add(name: string, expression: string, timeZone: string, transport: Transport, message: (atMs: number) => OutgoingMessage): Promise<ScheduleHandle> {
    const cron = new Cron(expression, timeZone)
    if (!transport.facts.schedules) {
      throw new SluiceError('UNSUPPORTED', `${transport.facts.name} keeps no schedules`, {
        fix: 'Route the command to a transport that does',
        details: { fact: 'schedules' },
      })
    }
    const nextAtMs = cron.next(this.#options.clock.nowMs())
    const kept = await transport.admin.putSchedule({ name, cron: expression, timeZone, nextAtMs, message: message(nextAtMs) })
    const entry: Entry = { name, cron, expression, timeZone, transport, message, nextAtMs: kept.nextAtMs }
    this.#entries.set(name, entry)
    this.#arm()
    return {
      name,
      cron: expression,
      timeZone,
      get nextAtMs() {
        return entry.nextAtMs
      },
      remove: () => {
        this.#entries.delete(name)
        return transport.admin.removeSchedule(name)
      },
    }
  }

  start(): void {
    this.#running = true
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#timer?.cancel()
    await this.#busy
  }

  #arm(afterMs = 0): void {
    this.#timer?.cancel()
    if (!this.#running || this.#entries.size === 0) return
    let nextMs = Number.POSITIVE_INFINITY
    for (const entry of this.#entries.values()) nextMs = Math.min(nextMs, entry.nextAtMs)
    // Not longer than a minute at once: the wall clock may be set meanwhile.
    const delayMs = Math.min(60_000, Math.max(afterMs, nextMs - this.#options.clock.nowMs()))
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#busy = this.#fireDue()
    })
  }

  async #fireDue(): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    let behind = false
    for (const entry of this.#entries.values()) {
      if (entry.nextAtMs > nowMs) continue
      try {
        if (!(await this.#fire(entry, nowMs))) behind = true
      } catch (error) {
        behind = true
        this.#options.failed(entry.name, toError(error))
      }
    }
    this.#arm(behind ? againMs : 0)
  }

  /** False if somebody else was first and the new time is not known yet. */
  async #fire(entry: Entry, nowMs: number): Promise<boolean> {
    const nextAtMs = entry.cron.next(nowMs)
    if (await entry.transport.admin.fireSchedule(entry.name, entry.nextAtMs, entry.message(entry.nextAtMs), nextAtMs)) {
      entry.nextAtMs = nextAtMs
      return true
    }
    const kept = (await entry.transport.admin.schedules()).find((one) => one.name === entry.name)
    if (kept === undefined) {
      // Removed by another instance.
      this.#entries.delete(entry.name)
      return true
    }
    const moved = kept.nextAtMs !== entry.nextAtMs
    entry.nextAtMs = kept.nextAtMs
    return moved
  }
}
