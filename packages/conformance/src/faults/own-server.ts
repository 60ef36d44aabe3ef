/** A server that may be killed. */
export interface OwnServer {
  /** Where clients find it directly. */
  readonly url: string
  /** kill -9. */
  kill(): Promise<void>
  /** Starts it again on its data. */
  up(): Promise<void>
  /** Stops it and leaves nothing. */
  down(): Promise<void>
}
