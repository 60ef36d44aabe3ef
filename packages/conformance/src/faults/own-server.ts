/** A server that may be killed. */
export interface OwnServer {
  /** Where clients find it directly. */
  readonly url: string
  /** kill -9, of one node (1-based) or all. */
  kill(node?: number): Promise<void>
  /** Stops one node or all in good order, and starts them again. */
  restart(node?: number): Promise<void>
  /** Starts it again on its data. */
  up(): Promise<void>
  /** Stops it and leaves nothing. */
  down(): Promise<void>
}
