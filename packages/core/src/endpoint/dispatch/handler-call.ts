import type { SluiceError } from '../../errors/index.ts'
import type { LaneEntry } from '../lane/index.ts'
import type { Abortable, HandlerBinding } from './binding.ts'

/** A message's handler, or undefined while nobody here handles its type. */
export type Route = HandlerBinding | undefined

/** An entry of this dispatcher. */
export type Entry = LaneEntry<Route>

/** One handler call with its entries: where its time-out and its signal live. */
export class HandlerCall implements Abortable {
  readonly binding: HandlerBinding
  readonly entries: Entry[]
  /** Monotonic; set where somebody wants to hear how long it took. */
  startedAtMs = 0
  /** Monotonic; 0: not waiting. Place in the heap of time-outs. */
  wakeMs = 0
  heapIndex = -1
  /** Why its signal was aborted before its end (time-out, lost); then its attempt fails with this, and it has a grace to end. */
  cutShort: SluiceError | undefined = undefined
  /** Its outcome was taken; whatever comes later is dropped. */
  ended = false
  #controller: AbortController | undefined = undefined
  #abortReason: unknown

  constructor(binding: HandlerBinding, entries: Entry[]) {
    this.binding = binding
    this.entries = entries
  }

  /** For the binding: the signal is made when somebody asks for it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  /** Aborts the signal, once; a signal that is asked for later is aborted from the start. */
  abort(reason: SluiceError): void {
    if (this.#abortReason !== undefined) return
    this.#abortReason = reason
    this.#controller?.abort(reason)
  }
}
