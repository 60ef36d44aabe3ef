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
  /** What people use on this broker for the same today. */
  readonly library: Library
  place(server: RunningServer, run: string): Promise<Place>
}

/** A library that Sluice is measured beside, with the settings its documentation recommends, as durable as Sluice. */
export interface Library {
  readonly name: string
  /** Folder of its producer and consumer, which take a URL, a count and a name. */
  readonly roles: string
  /** Messages a run as a share of those of the broker's runs. */
  readonly share: number
  /** What the roles take beside that. */
  readonly settings: readonly string[]
  readonly note: string
}
