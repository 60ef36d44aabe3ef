import { type Clock, systemClock, type Timer } from '@sluice/core/transport'

/** The system's clock, whose wall time can be moved as by an administrator, NTP or a battery that is empty. */
export class MovableClock implements Clock {
  #offsetMs: number

  constructor(offsetMs = 0) {
    this.#offsetMs = offsetMs
  }

  nowMs(): number {
    return systemClock.nowMs() + this.#offsetMs
  }

  monotonicMs(): number {
    return systemClock.monotonicMs()
  }

  setTimer: Clock['setTimer'] = (delayMs, callback, options) => systemClock.setTimer(delayMs, callback, options)

  holdOpen(): Timer {
    return systemClock.holdOpen?.() ?? { cancel() {} }
  }

  jump(ms: number): void {
    this.#offsetMs += ms
  }
}
