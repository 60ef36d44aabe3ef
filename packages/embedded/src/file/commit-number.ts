/** The first statement of every write transaction of the engine. */
import { SluiceError } from '@sluice/core/transport'
import { damagedRow } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import { formatVersion, stateProof } from './format.ts'

// Made once: it is the key by which the prepared statement is found.
const takeNext: string = `UPDATE state SET commit_seq = commit_seq + 1 WHERE id = 1 AND format = ${formatVersion} AND proof = ${stateProof} RETURNING commit_seq`

/**
 * Takes the next commit's number. The same statement makes sure, at no cost, that the file still has this build's format: one
 * that a newer Sluice has migrated meanwhile is not written to. Throws STORE_NEWER_FORMAT, STORE_CORRUPT.
 */
export function nextCommit(db: Database): number {
  const row = db.get<{ commit_seq: number }>(takeNext)
  if (row !== undefined) return row.commit_seq
  const { user_version: version } = db.one<{ user_version: number }>('PRAGMA user_version')
  if (version > formatVersion) throw newerFormat(version)
  throw damagedRow('the row of the file state')
}

export function newerFormat(version: number, path = 'the bus file'): SluiceError {
  return new SluiceError('STORE_NEWER_FORMAT', `${path} has format ${version}; this Sluice reads up to ${formatVersion}`, {
    details: { version },
    fix: 'Update Sluice in this service; the file was not touched',
  })
}
