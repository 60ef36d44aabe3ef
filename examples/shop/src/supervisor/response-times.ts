/** Response times of the order API: over all, and of the last moments for the page. */

/** Percentiles, ms; undefined when nothing was measured. */
export interface Percentiles {
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly count: number
}

const windowMax = 2_000

/** Percentile by nearest rank of numbers that are sorted. */
export function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}

function percentilesOf(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b)
  const round = (value: number | undefined): number | undefined => (value === undefined ? undefined : Math.round(value * 100) / 100)
  return { p50Ms: round(percentile(sorted, 0.5)), p99Ms: round(percentile(sorted, 0.99)), count: values.length }
}

/** See the head of this file. */
export class ResponseTimes {
  readonly #allMax: number
  #all: number[] = []
  #recent: number[] = []
  #failures = 0
  #count = 0

  /** Keeps at most `allMax` of all times; beyond, a uniform sample. */
  constructor(allMax: number = 50_000) {
    this.#allMax = allMax
  }

  record(ms: number): void {
    this.#count++
    if (this.#all.length < this.#allMax) this.#all.push(ms)
    else {
      const place = Math.floor(Math.random() * this.#count)
      if (place < this.#allMax) this.#all[place] = ms
    }
    if (this.#recent.length < windowMax) this.#recent.push(ms)
  }

  recordFailure(): void {
    this.#failures++
  }

  /** Since the beginning. */
  overall(): Percentiles {
    return { ...percentilesOf(this.#all), count: this.#count }
  }

  /** Since the last call of this method. */
  takeRecent(): Percentiles & { readonly failures: number } {
    const recent = { ...percentilesOf(this.#recent), failures: this.#failures }
    this.#recent = []
    this.#failures = 0
    return recent
  }
}
