import type { OutgoingMessage, SendFailure, SendReport, SluiceError } from '@sluice/core/transport'

/** A message on its way. */
export interface Item {
  readonly message: OutgoingMessage
  readonly index: number
  readonly batch: Batch
  readonly resend: boolean
  /** Number in the order in which the channel's messages came. */
  number: number
}

/** One call of `send`. */
export class Batch {
  readonly failures: SendFailure[] = []
  duplicates: Map<number, string> | undefined
  readonly #resolve: (report: SendReport) => void
  #left: number

  constructor(size: number, resolve: (report: SendReport) => void) {
    this.#left = size
    this.#resolve = resolve
  }

  settle(count: number): void {
    this.#left -= count
    if (this.#left > 0) return
    this.failures.sort((a, b) => a.index - b.index)
    this.#resolve(this.duplicates === undefined ? { failures: this.failures } : { failures: this.failures, duplicates: this.duplicates })
  }

  fail(index: number, state: SendFailure['state'], error: SluiceError, retryable: boolean): void {
    this.failures.push({ index, state, error, retryable })
  }
}
