/** Opening a bus file for maintenance: one that exists, of this format; nothing is created and nothing migrated. */
import { realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { SluiceError } from '@sluice/core/transport'
import { newerFormat } from '../file/commit-number.ts'
import { applicationId, formatVersion } from '../file/format.ts'
import { networkFileSystemOf, onNetworkFileSystem } from '../file/network-file-system.ts'
import { refuseUnsoundSqlite } from '../file/open.ts'
import { Database } from '../sqlite/connection.ts'
import { storeError } from '../sqlite/errors.ts'

/** How long a lock of another process is waited for, ms. */
const busyMs = 5000

export function openExisting(path: string, readOnly: boolean): { readonly db: Database; readonly path: string } {
  // SQLite would say of a folder that its disk fails.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new SluiceError('STORE_NOT_A_BUS', `there is no file ${path}`, { details: { path }, fix: 'Name the bus file that the services use' })
  const real = realpathSync(path)
  const network = networkFileSystemOf(dirname(real))
  if (network !== undefined) throw onNetworkFileSystem(dirname(real), network)
  const { DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
  let db: Database
  try {
    db = new Database(new DatabaseSync(real, { readOnly, timeout: busyMs }))
  } catch (error) {
    throw storeError(error, path)
  }
  try {
    refuseUnsoundSqlite(db)
    const { application_id: application } = db.one<{ application_id: number }>('PRAGMA application_id')
    const { user_version: version } = db.one<{ user_version: number }>('PRAGMA user_version')
    if (application !== applicationId)
      throw new SluiceError('STORE_NOT_A_BUS', `${path} is not a Sluice bus file`, { details: { path }, fix: 'Name the bus file that the services use' })
    if (version > formatVersion) throw newerFormat(version, path)
    if (version < formatVersion)
      throw new SluiceError('UNSUPPORTED', `${path} has the older format ${version}`, { fix: 'Open it once with a service of this version, which migrates it' })
    return { db, path: real }
  } catch (error) {
    db.close()
    throw storeError(error, path)
  }
}
