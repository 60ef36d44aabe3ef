/** What opening makes sure of before anything relies on it: the few rows that say where everybody stands are as written. */
import { damagedRow } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import { channelProof, groupProof, partitionProof, stateProof } from './format.ts'

/** Table → the sum that its `proof` must be. */
export const proofs: Readonly<Record<string, string>> = {
  state: stateProof,
  channel: channelProof,
  consumer_group: groupProof,
  partition: partitionProof,
}

/**
 * Throws STORE_CORRUPT where a steering row or one of its indexes is damaged. Blocks and messages have checksums of their own
 * and are verified when they are read: opening must not take longer because much is waiting.
 */
export function verifySteeringRows(db: Database, path: string): void {
  for (const [table, proof] of Object.entries(proofs)) {
    const { result } = db.one<{ result: string }>(`SELECT integrity_check AS result FROM pragma_integrity_check('${table}') LIMIT 1`)
    if (result !== 'ok') throw damagedRow(`the table ${table}`, path)
    // IS NOT: a NULL where a number was is damage, too.
    if (db.get(`SELECT 1 FROM ${table} WHERE proof IS NOT ${proof} LIMIT 1`) !== undefined) throw damagedRow(`a row of ${table}`, path)
  }
  const rows = db.all<{ format: number }>('SELECT format FROM state')
  if (rows.length !== 1) throw damagedRow('the table state', path)
}
