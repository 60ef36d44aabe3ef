/** Messages outside the log: parking lot, dead letters, delayed ones, schedules. */
import { isWhole } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import type { Findings } from './findings.ts'

interface MessageRow {
  readonly id: number | string
  readonly json: unknown
  readonly body: unknown
  readonly checksum: unknown
}

const rowsPerRead = 256

export function checkMessages(db: Database, commitSeq: number, findings: Findings): void {
  checkLanes(db, commitSeq, findings)
  const damaged = 'it cannot be delivered'
  each(db, 'SELECT id, attributes AS json, body, checksum FROM lot_entry WHERE id > ? ORDER BY id LIMIT ?', (row) => {
    if (!isWhole(db, row.json, row))
      findings.error('MESSAGE_DAMAGED', `lot_entry ${row.id}`, 'differs from what was written', `${damaged}; its lane waits behind it`)
  })
  each(db, 'SELECT id, attributes AS json, body, checksum FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?', (row) => {
    if (!isWhole(db, row.json, row))
      findings.error('MESSAGE_DAMAGED', `dead_letter ${row.id}`, 'differs from what was written', 'it cannot be listed or redriven')
  })
  each(db, 'SELECT id, attributes AS json, body, checksum FROM delayed WHERE id > ? ORDER BY id LIMIT ?', (row) => {
    if (!isWhole(db, row.json, row)) findings.error('MESSAGE_DAMAGED', `delayed ${row.id}`, 'differs from what was written', damaged)
  })
  for (const row of db.all<MessageRow>('SELECT name AS id, message AS json, body, checksum FROM schedule'))
    if (!isWhole(db, row.json, row))
      findings.error('MESSAGE_DAMAGED', `schedule ${row.id}`, 'differs from what was written', 'it does not fire', 'Remove the schedule and state it again')
  for (const { id } of db.all<{ id: number }>('SELECT id FROM dead_letter WHERE json_valid(reason) = 0 LIMIT 100'))
    findings.error('MESSAGE_DAMAGED', `dead_letter ${id}`, 'its reason cannot be read', 'it cannot be listed')
  for (const table of ['delayed', 'deduplication']) {
    const { rows } = db.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE channel_id NOT IN (SELECT id FROM channel)`)
    if (rows > 0) findings.error('ORPHAN', table, `${rows} rows belong to no channel`, table === 'delayed' ? 'they are never delivered' : 'they take room')
  }
}

function each(db: Database, sql: string, look: (row: MessageRow) => void): void {
  for (let after = -1; ; ) {
    const rows = db.all<MessageRow>(sql, after, rowsPerRead)
    for (const row of rows) look(row)
    if (rows.length < rowsPerRead) return
    after = Number((rows[rows.length - 1] as MessageRow).id)
  }
}

function checkLanes(db: Database, commitSeq: number, findings: Findings): void {
  const lanes = db.all<{ id: number; lane: string; state: string; count: number; news: number; entries: number; parkedBy: number }>(
    `SELECT id, lane, state, count, news, (SELECT count(*) FROM lot_entry WHERE lane_id = l.id) AS entries,
       (SELECT count(*) FROM dead_letter d WHERE d.group_id = l.group_id AND d.lane = l.lane AND d.parks = 1) AS parkedBy FROM lot_lane l ORDER BY id`,
  )
  for (const { id, state, count, news, entries, parkedBy } of lanes) {
    // The lane's name holds the key, which may be data.
    const where = `lane ${id} of the parking lot`
    if (state !== 'suspended' && state !== 'parked') findings.error('LANE', where, `is ${JSON.stringify(state)}`, 'its messages are delivered to nobody')
    if (count !== entries) findings.error('LANE', where, `counts ${count} messages and has ${entries}`, 'inspect shows a wrong backlog')
    if (state === 'parked' && parkedBy === 0)
      findings.error('LANE', where, 'is parked behind no dead letter', 'nothing can open it: its messages wait for ever')
    if (state === 'suspended' && entries === 0) findings.note('LANE', where, 'is empty', 'its owner takes it away when it reads it')
    if (news > commitSeq) findings.note('LANE', where, 'was changed after the last commit', 'its owner is told once more')
  }
  const orphans = db.one<{ rows: number }>('SELECT count(*) AS rows FROM lot_entry WHERE lane_id NOT IN (SELECT id FROM lot_lane)')
  if (orphans.rows > 0) findings.error('ORPHAN', 'lot_entry', `${orphans.rows} messages belong to no lane`, 'they are delivered to nobody')
  const unparked = db.one<{ rows: number }>(
    `SELECT count(*) AS rows FROM dead_letter d WHERE parks = 1 AND NOT EXISTS
       (SELECT 1 FROM lot_lane l WHERE l.group_id = d.group_id AND l.lane = d.lane AND l.state = 'parked')`,
  )
  if (unparked.rows > 0) findings.error('LANE', 'dead_letter', `${unparked.rows} dead letters park lanes that are open`, 'successors overtake them')
}
