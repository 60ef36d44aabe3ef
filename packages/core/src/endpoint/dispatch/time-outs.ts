/**
 * Per-handler time-outs: the signal aborts at `timeoutMs`; a handler that has not ended within a grace after that is left to
 * itself. One heap for the group, no timer of its own: the dispatcher's turn looks here.
 */
import { SluiceError } from '../../errors/index.ts'
import { DueHeap } from '../lane/index.ts'
import type { HandlerCall } from './handler-call.ts'

/** How long a handler may take to end after its signal was aborted, ms; less where `timeoutMs` is less. */
const graceMsMax = 5_000

/** See the header of this file. */
export class TimeOuts {
  readonly #calls: DueHeap<HandlerCall> = new DueHeap()
  readonly #leave: (call: HandlerCall) => void

  /** @param leave Called for a handler that ignored its aborted signal for the whole grace. */
  constructor(leave: (call: HandlerCall) => void) {
    this.#leave = leave
  }

  /** When `look` has something to do, monotonic ms; Infinity: nothing is watched. */
  get nextMs(): number {
    return this.#calls.nextMs
  }

  /** An asynchronous call began. */
  watch(call: HandlerCall, nowMs: number): void {
    if (call.binding.timeoutMs !== undefined) this.#calls.set(call, nowMs + call.binding.timeoutMs)
  }

  /** It has ended. */
  forget(call: HandlerCall): void {
    this.#calls.remove(call)
  }

  /** What it handles was lost: aborted now, left to itself after the grace. */
  abort(call: HandlerCall, reason: SluiceError, nowMs: number): void {
    call.cutShort = reason
    call.abort(reason)
    this.#calls.set(call, nowMs + graceMsMax)
  }

  /** Aborts what is over its time, leaves what is over its grace. */
  look(nowMs: number): void {
    for (let call = this.#calls.popDue(nowMs); call !== undefined; call = this.#calls.popDue(nowMs)) {
      if (call.cutShort !== undefined) {
        this.#leave(call)
        continue
      }
      call.cutShort = timeoutError(call)
      call.abort(call.cutShort)
      this.#calls.set(call, nowMs + Math.min(graceMsMax, call.binding.timeoutMs ?? graceMsMax))
    }
  }
}

/** What a handler that was too slow is told by its signal, and what its attempt fails with. */
function timeoutError(call: HandlerCall): SluiceError {
  return new SluiceError(
    'HANDLER_TIMEOUT',
    `the handler of ${call.entries[0]?.delivery.envelope.type ?? 'a message'} did not finish within ${call.binding.timeoutMs} ms`,
    {
      fix: 'Raise timeoutMs, or let the handler watch ctx.signal and do less per message',
      details: { timeoutMs: call.binding.timeoutMs },
    },
  )
}
