/**
 * The event loop of simulated processes. Until `restore`, timers, immediates, the time and chance of this thread are
 * simulated ones: everything follows from the seed. What a process asks for dies or freezes with it. Microtasks are the
 * real ones; the loop waits for them after each task.
 */
import { type Clock, ManualClock, type Random, seededRandom, type Timer } from '@sluice/core/transport'

const real = {
  setImmediate,
  setTimeout,
  setInterval,
  clearImmediate,
  clearTimeout,
  clearInterval,
  random: Math.random,
  now: Date.now,
  hrtime: process.hrtime.bigint,
}

/** A process as its event loop sees it. */
export interface Scheduled {
  /** Nothing of it runs any more. */
  readonly dead: boolean
  /** What it is to do waits, as under SIGSTOP. */
  readonly frozen: boolean
  /** What waited, in order. */
  readonly backlog: (() => void)[]
}

interface Task {
  readonly process: Scheduled | undefined
  readonly run: () => void
}

/** See the header of this file. */
export class EventLoop {
  readonly random: Random
  /** Kept only when a seed is replayed. */
  readonly trace: string[] | undefined
  readonly violations: string[] = []
  readonly #clock: ManualClock = new ManualClock(Date.UTC(2026, 0, 1))
  #ready: Task[] = []
  #wallJumpedMs = 0
  #current: Scheduled | undefined

  constructor(seed: number, traced: boolean) {
    this.random = seededRandom(seed)
    this.trace = traced ? [] : undefined
  }

  /** Monotonic time of the simulated machine, ms. */
  get nowMs(): number {
    return this.#clock.monotonicMs()
  }

  get wallMs(): number {
    return Math.floor(this.#clock.nowMs()) + this.#wallJumpedMs
  }

  /** Sets the wall clock, for all processes: `byMs` from where it would be by itself. */
  jumpTo(byMs: number): void {
    this.log(() => `the wall clock is set to ${byMs} ms off`)
    this.#wallJumpedMs = byMs
  }

  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1))
  }

  chance(share: number): boolean {
    return share > 0 && this.random() < share
  }

  pick<const T>(items: readonly [T, ...T[]]): T
  pick<T>(items: readonly T[]): T | undefined
  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)]
  }

  log(what: () => string): void {
    this.trace?.push(`${this.nowMs.toFixed(2).padStart(9)} ${what()}`)
  }

  violation(what: string): void {
    this.violations.push(`${what} (at ${this.nowMs.toFixed(2)} ms)`)
    this.log(() => `VIOLATION ${what}`)
  }

  /** Runs something after `delayMs`, on behalf of a process. */
  after(process: Scheduled | undefined, delayMs: number, run: () => void): Timer {
    return this.#clock.setTimer(delayMs, () => void this.#ready.push({ process, run }))
  }

  /** What waited while a process was frozen comes first, in its order. */
  thawed(process: Scheduled): void {
    this.#ready = [...process.backlog.splice(0).map((run) => ({ process, run })), ...this.#ready]
  }

  /** The clock of one process; its timers are late by up to half a millisecond. */
  clockOf(process: Scheduled): Clock {
    return {
      nowMs: () => this.wallMs,
      monotonicMs: () => this.nowMs,
      setTimer: (delayMs, callback) => this.after(process, Math.max(0, delayMs) + this.random() * 0.5, callback),
    }
  }

  /** Runs until `ended`, or until a violation. false: nothing is left to do, or too much. */
  async run(ended: () => boolean, turnsMax: number): Promise<boolean> {
    for (let turn = 0; turn < turnsMax; turn++) {
      if (this.violations.length > 0 || ended()) return true
      const task = this.#ready.shift()
      if (task === undefined) {
        const nextMs = this.#clock.nextTimerMs
        if (nextMs === undefined) return false
        // A little more, for the sum of times is rounded.
        this.#clock.advance(nextMs + 1e-7)
      } else await this.#run(task)
    }
    return false
  }

  async #run({ process, run }: Task): Promise<void> {
    if (process?.dead) return
    if (process?.frozen) {
      process.backlog.push(run)
      return
    }
    this.#current = process
    try {
      run()
    } catch (error) {
      this.#uncaught(error)
    }
    await new Promise<void>((resolve) => real.setImmediate(resolve))
    this.#current = undefined
  }

  #uncaught(error: unknown): void {
    if (!this.#current?.dead) this.violation(`uncaught: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }

  /** Simulates the thread's timers, time and chance from now on. */
  install(): { restore(): void } {
    const rejected = (error: unknown): void => this.#uncaught(error)
    const later = (delayMs: number, run: () => void): unknown => {
      const timer = this.after(this.#current, delayMs, run)
      return { cancel: () => timer.cancel(), unref: (): unknown => undefined, ref: (): unknown => undefined }
    }
    const cancel = (handle: unknown): void => {
      if (typeof handle === 'object' && handle !== null && 'cancel' in handle) (handle as Timer).cancel()
    }
    const every = (run: () => void, everyMs: number): unknown => {
      let timer: Timer
      const arm = (): void => {
        timer = this.after(this.#current, everyMs, () => {
          arm()
          run()
        })
      }
      arm()
      return { cancel: () => timer.cancel(), unref: (): unknown => undefined }
    }
    Object.assign(globalThis, {
      setImmediate: (run: (...values: unknown[]) => void, ...values: unknown[]) => later(0.001, () => run(...values)),
      setTimeout: (run: (...values: unknown[]) => void, delayMs = 1, ...values: unknown[]) =>
        later(Math.max(1, delayMs) + this.random() * 0.5, () => run(...values)),
      setInterval: every,
      clearImmediate: cancel,
      clearTimeout: cancel,
      clearInterval: cancel,
    })
    Object.defineProperty(performance, 'now', { value: () => this.nowMs, configurable: true })
    Math.random = this.random
    Date.now = () => this.wallMs
    process.hrtime.bigint = () => BigInt(Math.round(this.nowMs * 1e6))
    process.on('unhandledRejection', rejected)
    return {
      restore: () => {
        const { random, now, hrtime, ...timers } = real
        Object.assign(globalThis, timers)
        Reflect.deleteProperty(performance, 'now')
        Math.random = random
        Date.now = now
        process.hrtime.bigint = hrtime
        process.off('unhandledRejection', rejected)
      },
    }
  }
}
