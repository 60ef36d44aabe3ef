/** What every benchmark is given. */
export interface BenchOptions {
  /** Interleaved runs of each candidate; medians are printed. */
  readonly pairs: number
  /** Messages a run. */
  readonly count: number
}

/** Figures of one benchmark; `ratio` is against the row that `against` names. */
export interface Table {
  readonly title: string
  readonly unit: string
  readonly columns: readonly string[]
  readonly rows: readonly {
    readonly name: string
    readonly figures: readonly (number | undefined)[]
    readonly ratio?: number
    readonly against?: string
    readonly range?: readonly [number, number]
  }[]
}

export type Benchmark = (options: BenchOptions) => Promise<Table>

/** The middle value; the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
