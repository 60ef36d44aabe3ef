/**
 * The event loop of simulated processes: what real code leaves to `setImmediate` runs in simulated time, on behalf of the
 * process that asked for it, so that it dies or freezes with it. Microtasks are the real ones; `drained` waits for them.
 */
import type { World } from '../world.ts'

/** A process whose callbacks stop with it. */
export interface SimProcess {
  after(delayMs: number, run: () => void): void
}

const realImmediate = globalThis.setImmediate

/** Waits until all microtasks have run. */
export function drained(): Promise<void> {
  return new Promise((resolve) => realImmediate(resolve))
}

/** See the header of this file. */
export class EventLoop {
  readonly #world: World
  #current: SimProcess | undefined

  constructor(world: World) {
    this.#world = world
  }

  /** Runs `run` as that process; what its microtasks ask for belongs to it, too, until the next `as`. */
  as(process: SimProcess | undefined, run: () => void): void {
    this.#current = process
    run()
  }

  /** Until `restore`, `setImmediate` is simulated. */
  install(): { restore(): void } {
    const immediate = (callback: (...values: unknown[]) => void, ...values: unknown[]): unknown => {
      const run = (): void => callback(...values)
      const process = this.#current
      if (process === undefined) this.#world.after(0, run)
      else process.after(0, run)
      return { unref: () => undefined, ref: () => undefined }
    }
    globalThis.setImmediate = immediate as typeof setImmediate
    return {
      restore: () => {
        globalThis.setImmediate = realImmediate
      },
    }
  }
}
