import { SluiceError } from '@sluice/core/transport'
import type { Database } from '../sqlite/connection.ts'
import { formatVersion } from './format.ts'

/** One step each from version n to n + 1; runs inside the transaction that opened the file. */
const steps: ReadonlyMap<number, (db: Database) => void> = new Map()

/** Brings a file of an older format to the current one, inside the caller's transaction. */
export function migrate(db: Database, from: number): void {
  for (let version = from; version < formatVersion; version++) {
    const step = steps.get(version)
    if (step === undefined)
      throw new SluiceError('STORE_NEWER_FORMAT', `no migration leads from format ${version}`, {
        fix: 'Open the file with a Sluice release between the two once',
      })
    step(db)
  }
  db.exec(`PRAGMA user_version = ${formatVersion}`)
}
