/** What every benchmark is given. */
export interface BenchOptions {
  /** Interleaved runs of each candidate; medians are printed. */
  readonly pairs: number
  /** Messages a run, where a benchmark has no number of its own. */
  readonly count: number
  /** How long what runs for a time (soak) runs. */
  readonly minutes: number
}

/** One figure of the printed table, beside the limit measured in the same run. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** Median of the runs. */
  readonly sluice: number
  /** What it is compared with, median of the runs. */
  readonly raw?: number
  readonly rawName?: string
  /** sluice / raw, run by run, median. */
  readonly ratio?: number
  /** Lowest and highest ratio; without `raw`, lowest and highest figure. */
  readonly spread: readonly [number, number]
  /** In words; empty: a figure without a promise. */
  readonly target: string
  readonly reached: boolean
  readonly note?: string
}

/** Measures, and returns its rows of the table. */
export type Benchmark = (options: BenchOptions) => Promise<readonly Row[]>

/** The middle value; the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** The value that the given share of all does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

interface Described {
  readonly name: string
  readonly unit: string
  readonly target?: string
  readonly note?: string
}

/** Runs of Sluice and of something else, in pairs. `reached` is asked of the medians. */
export function compared(
  what: Described & { readonly rawName: string },
  sluice: readonly number[],
  raw: readonly number[],
  reached: (ratio: number, sluice: number) => boolean = () => true,
): Row {
  const ratios = sluice.map((value, n) => value / (raw[n] ?? Number.NaN))
  const ratio = median(ratios)
  const value = median(sluice)
  return { target: '', ...what, sluice: value, raw: median(raw), ratio, spread: [Math.min(...ratios), Math.max(...ratios)], reached: reached(ratio, value) }
}

/** Runs of Sluice alone. */
export function measured(what: Described, sluice: readonly number[], reached: (value: number) => boolean = () => true): Row {
  const value = median(sluice)
  return { target: '', ...what, sluice: value, spread: [Math.min(...sluice), Math.max(...sluice)], reached: reached(value) }
}
