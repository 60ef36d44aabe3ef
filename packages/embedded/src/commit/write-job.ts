import type { SluiceError } from '@sluice/core/transport'
import type { Database } from '../sqlite/connection.ts'

/** A piece of work for one write transaction, shared with others that are waiting. */
export interface WriteJob {
  /** Number of messages it writes, about: bounds a transaction. */
  readonly weight: number
  /** `now`: somebody waits for the disk. `soon`: a few ms later will do (settlements). */
  readonly sync: 'now' | 'soon'
  /** Other processes want to know: ring the doorbell when it is synced. */
  readonly announce: boolean
  /** It stores messages of producers: after a failure those behind it must not overtake it. */
  readonly ordered: boolean
  /** Does the work. May run again if the transaction is repeated; a throw undoes it alone. */
  run(db: Database, seq: number): void
  /** The transaction that it ran in was rolled back, whoever's fault it was: before anything else runs, undo what `run` changed in memory. */
  undone?(): void
  /** The transaction is committed: other processes see it, a power cut may still undo it. */
  committed?(seq: number): void
  /** It is on the disk. */
  synced?(): void
  /** `failed`: certainly not stored. `unknown`: committed, but the sync failed. */
  failed(error: SluiceError, state: 'failed' | 'unknown'): void
}
