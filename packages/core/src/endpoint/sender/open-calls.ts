import type { Clock, Timer } from '../../clock/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { PublishCall } from './pending.ts'

/**
 * Calls that are not settled, with their time-outs and signals. One timer for the earliest deadline, not cancelled by
 * each confirm, only armed anew when it fires: nearly all deadlines are equally far away.
 */
export class OpenCalls {
  readonly #clock: Clock
  /** Gives up what of a call is open; `reason`: why, if not for its time-out. */
  readonly #giveUp: (call: PublishCall, reason: SluiceError | undefined) => void
  readonly #calls: Set<PublishCall> = new Set()
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, giveUp: (call: PublishCall, reason: SluiceError | undefined) => void) {
    this.#clock = clock
    this.#giveUp = giveUp
  }

  add(call: PublishCall, signal: AbortSignal | undefined): void {
    this.#calls.add(call)
    if (call.deadlineMs < this.#timerMs) this.#arm(call.deadlineMs)
    if (signal !== undefined) this.#listen(call, signal)
  }

  settled(call: PublishCall): void {
    this.#calls.delete(call)
  }

  giveUpAll(reason: SluiceError): void {
    for (const call of [...this.#calls]) this.#giveUp(call, reason)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #arm(deadlineMs: number): void {
    this.#timer?.cancel()
    this.#timerMs = deadlineMs
    this.#timer = this.#clock.setTimer(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => this.#expire())
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const call of [...this.#calls]) {
      if (call.deadlineMs <= nowMs) this.#giveUp(call, undefined)
      else if (call.deadlineMs < nextMs) nextMs = call.deadlineMs
    }
    this.#timerMs = Number.POSITIVE_INFINITY
    this.#timer = undefined
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs)
  }

  #listen(call: PublishCall, signal: AbortSignal): void {
    const abort = (): void => this.#giveUp(call, new SluiceError('ABORTED', 'the caller gave up', { cause: signal.reason }))
    if (signal.aborted) {
      abort()
      return
    }
    signal.addEventListener('abort', abort, { once: true })
    call.unlisten = () => signal.removeEventListener('abort', abort)
  }
}
