import type { SluiceError } from '../errors/index.ts'
import type { SendFailure, SendReport } from './transport.ts'

/** One call of `Transport.send` whose entries are decided one by one: resolves when all of them are. */
export class SendCall {
  readonly report: Promise<SendReport>
  readonly #failures: SendFailure[] = []
  #duplicates: Map<number, string> | undefined
  #left: number
  #resolve: (report: SendReport) => void = () => {}

  constructor(count: number) {
    this.#left = count
    this.report = new Promise((resolve) => {
      this.#resolve = resolve
    })
    if (count === 0) this.#decided(0)
  }

  confirmed(count = 1): void {
    this.#decided(count)
  }

  /** Confirmed because another message with the same deduplication key is stored. */
  duplicate(index: number, storedId: string): void {
    this.#duplicates ??= new Map()
    this.#duplicates.set(index, storedId)
    this.#decided(1)
  }

  failed(index: number, state: SendFailure['state'], error: SluiceError, retryable: boolean): void {
    this.#failures.push({ index, state, error, retryable })
    this.#decided(1)
  }

  #decided(count: number): void {
    this.#left -= count
    if (this.#left > 0) return
    const failures = this.#failures.sort((a, b) => a.index - b.index)
    this.#resolve(this.#duplicates === undefined ? { failures } : { failures, duplicates: this.#duplicates })
  }
}

/**
 * `publishOrder: 'kept'` for one channel: once an entry has failed, those of its key that came before its caller was told
 * must not overtake it. Entries are numbered in the order of the calls.
 */
export class FailedKeys {
  readonly #failed: Map<string, number> = new Map()
  #number = 0

  /** Number of the next entry. */
  next(): number {
    return this.#number++
  }

  /** Whether an entry is behind a failed one of its key. */
  has(key: string | undefined, number: number): boolean {
    return key !== undefined && number < (this.#failed.get(key) ?? 0)
  }

  /** An entry of this key failed. A call overlaps until its caller was told: that is when the microtasks behind it have run. */
  add(key: string | undefined): void {
    if (key === undefined) return
    this.#failed.set(key, Number.POSITIVE_INFINITY)
    process.nextTick(() => this.#failed.set(key, this.#number))
  }

  /** Nothing waits any more: what has been told is forgotten. */
  idle(): void {
    for (const [key, number] of this.#failed) if (number < Number.POSITIVE_INFINITY) this.#failed.delete(key)
  }
}
