import { percentile } from './benchmark.ts'

const everyMs = 1

/** How much later than asked for a timer of 1 ms comes: what a request would have waited for the event loop. */
export class LoopDelay {
  readonly #delaysMs: number[] = []
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0

  start(): void {
    this.#next()
  }

  #next(): void {
    this.#dueMs = performance.now() + everyMs
    this.#timer = setTimeout(() => {
      this.#delaysMs.push(Math.max(0, performance.now() - this.#dueMs))
      this.#next()
    }, everyMs)
  }

  p99Ms(): number {
    clearTimeout(this.#timer)
    return percentile(this.#delaysMs, 0.99)
  }
}
