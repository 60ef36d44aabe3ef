/** Messages outside the log: parking lot, dead letters, delayed ones, schedules. */
import { crc32 } from 'node:zlib'
import { type DelayedRow, delayedPlace } from '../delay/delayed-rows.ts'
import { isWhole } from '../log/envelope-row.ts'
import { type DeadLetterPlace, deadLetterPlace } from '../lot/dead-letter.ts'
import { entryPlace } from '../lot/lot-rows.ts'
import { type ScheduleRow, schedulePlace } from '../schedule/schedule-rows.ts'
import type { Database } from '../sqlite/connection.ts'
import type { Findings } from './findings.ts'

interface MessageRow {
  readonly id: number
  readonly attributes: unknown
  readonly body: unknown
  readonly checksum: unknown
}

type EntryRow = MessageRow & { readonly position: number; readonly stored_at_ms: number; readonly redrives: number }

const rowsPerRead = 256

export function checkMessages(db: Database, commitSeq: number, findings: Findings): void {
  checkLanes(db, commitSeq, findings)
  const damaged = 'it cannot be delivered'
  const told = (where: string, means: string, fix?: string): void => findings.error('MESSAGE_DAMAGED', where, 'differs from what was written', means, fix)
  each<EntryRow>(db, 'SELECT id, position, stored_at_ms, redrives, attributes, body, checksum FROM lot_entry WHERE id > ? ORDER BY id LIMIT ?', (row) => {
    if (!isWhole(db, entryPlace(row.position, row.stored_at_ms, row.redrives), row.attributes, row))
      told(`lot_entry ${row.id}`, `${damaged}; its lane waits behind it`)
  })
  each<DeadLetterPlace & MessageRow>(db, 'SELECT * FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?', (row) => {
    if (!isWhole(db, deadLetterPlace(row), row.attributes, row)) told(`dead_letter ${row.id}`, 'it cannot be listed or redriven')
  })
  each<DelayedRow>(db, 'SELECT * FROM delayed WHERE id > ? ORDER BY id LIMIT ?', (row) => {
    if (!isWhole(db, delayedPlace(row.channel_id, row.due_at_ms, row.message_id, row.size_bytes), row.attributes, row)) told(`delayed ${row.id}`, damaged)
  })
  for (const row of db.all<ScheduleRow>('SELECT * FROM schedule'))
    if (!isWhole(db, schedulePlace(row), row.message, row)) told(`schedule ${row.name}`, 'it does not fire', 'Remove the schedule and state it again')
  for (const { id } of db.all<{ id: number }>('SELECT id FROM dead_letter WHERE json_valid(reason) = 0 LIMIT 100'))
    findings.error('MESSAGE_DAMAGED', `dead_letter ${id}`, 'its reason cannot be read', 'it cannot be listed')
  for (const table of ['delayed', 'deduplication']) {
    const { rows } = db.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE channel_id NOT IN (SELECT id FROM channel)`)
    if (rows > 0) findings.error('ORPHAN', table, `${rows} rows belong to no channel`, table === 'delayed' ? 'they are never delivered' : 'they take room')
  }
}

function each<Row extends MessageRow>(db: Database, sql: string, look: (row: Row) => void): void {
  for (let after = -1; ; ) {
    const rows = db.all<Row>(sql, after, rowsPerRead)
    for (const row of rows) look(row)
    if (rows.length < rowsPerRead) return
    after = (rows[rows.length - 1] as Row).id
  }
}

function checkLanes(db: Database, commitSeq: number, findings: Findings): void {
  const lanes = db.all<{ id: number; lane: unknown; lane_sum: number; state: string; count: number; news: number; entries: number; parkedBy: number }>(
    `SELECT id, lane, lane_sum, state, count, news, (SELECT count(*) FROM lot_entry WHERE lane_id = l.id) AS entries,
       (SELECT count(*) FROM dead_letter d WHERE d.group_id = l.group_id AND d.lane = l.lane AND d.parks = 1) AS parkedBy FROM lot_lane l ORDER BY id`,
  )
  for (const { id, lane, lane_sum: laneSum, state, count, news, entries, parkedBy } of lanes) {
    // The lane's name holds the key, which may be data.
    const where = `lane ${id} of the parking lot`
    if (typeof lane !== 'string' || crc32(lane) !== laneSum)
      findings.error('LANE', where, 'has another name than it was given', 'its messages are not delivered')
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
