/** What opening makes sure of before anything relies on it: the few rows that say where everybody stands are as written. */
import { decodeRanges } from '../group/progress.ts'
import { damagedRow } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import { attemptProof, channelProof, entryProof, groupProof, laneProof, partitionProof, schema, stateProof } from './format.ts'

/** Table → the sum that its `proof` must be: few rows each, verified by everybody who opens the file. */
export const steering: Readonly<Record<string, string>> = {
  state: stateProof,
  channel: channelProof,
  consumer_group: groupProof,
  partition: partitionProof,
}

/** The same for all tables that have one; the others may have a million rows, and are verified when they are read. */
export const proofs: Readonly<Record<string, string>> = { ...steering, attempt: attemptProof, lot_lane: laneProof, lot_entry: entryProof }

/** Name → definition of our tables and indexes. */
export const definitions: ReadonlyMap<string, string> = new Map(
  schema
    .split(';')
    .map((statement) => statement.trim())
    .map((statement) => [/^CREATE (?:UNIQUE )?(?:TABLE|INDEX) (\w+)/.exec(statement)?.[1] ?? '', statement] as const)
    .filter(([name]) => name !== ''),
)

/** Tables and indexes of ours that are missing, or defined in another way. */
export function wrongDefinitions(db: Database): string[] {
  const found = new Map(db.all<{ name: string; sql: string | null }>('SELECT name, sql FROM sqlite_schema').map(({ name, sql }) => [name, sql]))
  return [...definitions].filter(([name, sql]) => found.get(name) !== sql).map(([name]) => name)
}

/**
 * Throws STORE_CORRUPT where a steering row or one of its indexes is damaged. Blocks and messages have checksums of their own
 * and are verified when they are read: opening must not take longer because much is waiting.
 */
export function verifySteeringRows(db: Database, path: string): void {
  const [wrong] = wrongDefinitions(db)
  if (wrong !== undefined) throw damagedRow(`the definition of ${wrong}`, path)
  for (const [table, proof] of Object.entries(steering)) {
    const { result } = db.one<{ result: string }>(`SELECT integrity_check AS result FROM pragma_integrity_check('${table}') LIMIT 1`)
    if (result !== 'ok') throw damagedRow(`the table ${table}`, path)
    // IS NOT: a NULL where a number was is damage, too.
    if (db.get(`SELECT 1 FROM ${table} WHERE proof IS NOT ${proof} LIMIT 1`) !== undefined) throw damagedRow(`a row of ${table}`, path)
  }
  for (const { done } of db.all<{ done: string }>("SELECT done FROM partition WHERE done <> ''")) decodeRanges(done)
  const rows = db.all<{ format: number }>('SELECT format FROM state')
  if (rows.length !== 1) throw damagedRow('the table state', path)
}
