/**
 * Checks a bus file, in use or not, and changes nothing. Everything is read in one transaction, so that what is compared
 * belongs to one commit; as long as it takes, the write-ahead log is not reset.
 */
import { statSync } from 'node:fs'
import { type CheckReport, toError } from '@sluice/core/transport'
import { type BellContent, readBell } from '../doorbell/bell-file.ts'
import { definitions, proofs, steering, wrongDefinitions } from '../file/verify-rows.ts'
import type { Database } from '../sqlite/connection.ts'
import { sqliteFailure, storeError } from '../sqlite/errors.ts'
import { checkGroups } from './check-groups.ts'
import { checkLog } from './check-log.ts'
import { checkMessages } from './check-messages.ts'
import { openExisting } from './existing-file.ts'
import { Findings, saidBy } from './findings.ts'

export async function checkFile(from: string): Promise<CheckReport> {
  const findings = new Findings()
  let path = from
  let figures = { messages: 0, blocks: 0, channels: 0, groups: 0 }
  let opened: { readonly db: Database; readonly path: string } | undefined
  try {
    opened = openExisting(from, true)
    const { db } = opened
    path = opened.path
    // Before the snapshot: others commit and ring meanwhile.
    const bell = readBell(path)
    db.exec('BEGIN')
    if (checkSqlite(db, findings)) figures = checkRows(db, path, bell, findings)
    db.exec('COMMIT')
  } catch (error) {
    if (!isDamage(error)) throw storeError(error, path)
    findings.error('UNREADABLE', path, saidBy(toError(error)), 'Sluice cannot read it, or not all of it')
  } finally {
    opened?.db.close()
  }
  return {
    path,
    sound: findings.errors === 0,
    findings: findings.listed,
    unlisted: findings.unlisted,
    ...figures,
    bytes: statSync(path).size,
  }
}

function isDamage(error: unknown): boolean {
  if (error instanceof Error && 'code' in error && error.code === 'STORE_CORRUPT') return true
  const failure = sqliteFailure(error)
  return failure === 'corrupt' || failure === 'not-a-database'
}

/** false: the tables that the rest reads are not there. */
function checkSqlite(db: Database, findings: Findings): boolean {
  for (const { message } of db.all<{ message: string }>('SELECT integrity_check AS message FROM pragma_integrity_check'))
    if (message !== 'ok') findings.error('SQLITE', 'database', message, 'rows may be missing, doubled or in another place')
  const wrong = wrongDefinitions(db)
  for (const name of wrong) findings.error('SCHEMA', name, 'is missing or defined in another way', 'Sluice refuses to open the file')
  const triggers = db.all<{ name: string; tbl_name: string }>("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger'")
  for (const { name, tbl_name: table } of triggers)
    if (definitions.has(table))
      findings.error('SCHEMA', name, `a trigger changes the table ${table}`, 'what it does, no promise of Sluice covers', `DROP TRIGGER ${name}`)
  return wrong.length === 0
}

function checkRows(db: Database, path: string, bell: BellContent, findings: Findings): { messages: number; blocks: number; channels: number; groups: number } {
  for (const [table, proof] of Object.entries(proofs)) {
    const { wrong } = db.one<{ wrong: number }>(`SELECT count(*) AS wrong FROM ${table} WHERE proof IS NOT ${proof}`)
    const means = table in steering ? 'Sluice refuses to open the file' : 'the lanes that it belongs to are not delivered'
    if (wrong > 0) findings.error('ROW_DAMAGED', table, `${wrong} rows differ from what was written`, means)
  }
  const states = db.all<{ bus_id: string; commit_seq: number; next_due_ms: number | null; due: number | null }>(
    'SELECT bus_id, commit_seq, next_due_ms, (SELECT min(due_at_ms) FROM delayed) AS due FROM state',
  )
  const [state] = states
  if (states.length !== 1 || state === undefined) {
    findings.error('STATE', 'state', `has ${states.length} rows, not one`, 'Sluice cannot open the file')
    return { messages: 0, blocks: 0, channels: 0, groups: 0 }
  }
  if (state.due !== null && (state.next_due_ms === null || state.next_due_ms > state.due))
    findings.error(
      'NEXT_DUE',
      'state',
      'does not name the earliest delayed message',
      'delayed messages come late',
      'Send one delayed message: it sets the time right',
    )
  if (bell.busId !== undefined && bell.busId !== state.bus_id)
    findings.error(
      'FOREIGN',
      'state',
      `is that of the bus ${state.bus_id}, its doorbell that of ${bell.busId}`,
      'a -wal or a doorbell of another bus stands beside the file; Sluice refuses to open it',
      `Put the file's own -wal back; if the doorbell is foreign, delete ${path}-bell`,
    )
  if (bell.syncedSeq > state.commit_seq)
    findings.error(
      'COMMITS_MISSING',
      'state',
      `ends at commit ${state.commit_seq}, commits up to ${bell.syncedSeq} were synced`,
      'messages that were confirmed are missing; Sluice refuses to open the file',
      `If you restored a backup, delete ${path}-bell; otherwise restore one`,
    )
  const log = checkLog(db, state.commit_seq, findings)
  const groups = checkGroups(db, findings)
  checkMessages(db, state.commit_seq, findings)
  return { ...log, groups }
}
