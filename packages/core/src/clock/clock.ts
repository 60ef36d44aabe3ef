/** A timer that {@link Clock.setTimer} returned. */
export interface Timer {
  /** Stops the timer; a second call does nothing. */
  cancel(): void
}

/**
 * Time as everything in Sluice sees it. Nothing else in the library reads the system clock, so that tests and the
 * simulator can move it.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. May jump in either direction. */
  nowMs(): number
  /** Monotonic milliseconds from an arbitrary start; never goes back. For leases, time-outs and durations. */
  monotonicMs(): number
  /** Calls `callback` once, at least `delayMs` from now. `keepAlive: false` (default) lets the process exit before. */
  setTimer(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): Timer
  /** Keeps the process alive until it is cancelled, as a server that listens does. A clock of tests has none. */
  holdOpen?(): Timer
}

// Node clamps longer delays to 1 ms; a longer wait is chained.
const delayMsMax = 2 ** 31 - 1

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback, options) {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, delayMsMax)
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), Math.max(0, stepMs))
      if (options?.keepAlive !== true) handle.unref()
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
  holdOpen() {
    const handle = setInterval(() => {}, delayMsMax)
    return { cancel: () => clearInterval(handle) }
  },
}
