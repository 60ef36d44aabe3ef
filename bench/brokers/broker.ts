import type { RunningServer } from '../servers.ts'

/** Where one run has its messages; `dispose` makes room for the next. */
export interface Place {
  /** For Sluice. */
  readonly url: string
  /** For the raw client. */
  readonly rawUrl: string
  dispose(): Promise<void>
}

/** A broker, and the raw client that Sluice is measured beside: the one that was fastest of those tried. */
export interface Broker {
  /** Of tools/brokers. */
  readonly server: string
  readonly title: string
  readonly rawName: string
  /** Folder with the raw client's producer and consumer. */
  readonly raw: string
  /** Messages a run as a share of `--count`: a run takes seconds. */
  readonly share: number
  /** Messages a batch and batches outstanding, of both. */
  readonly batch: readonly [size: number, outstanding: number]
  readonly note: string
  place(server: RunningServer, run: string): Promise<Place>
}
