/** Recurring schedules, inside a write transaction. */
import type { Envelope, OutgoingMessage, ScheduleRecord } from '@sluice/core/transport'
import { damagedRow, isWhole, rowChecksum } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'

interface ScheduleRow {
  readonly name: string
  readonly cron: string
  readonly time_zone: string
  readonly next_at_ms: number
  readonly message: string
  readonly body: string | Uint8Array
  readonly checksum: number
}
const columns = 'name, cron, time_zone, next_at_ms, message, body, checksum'

function record(db: Database, row: ScheduleRow): ScheduleRecord {
  if (!isWhole(db, row.message, row)) throw damagedRow(`the schedule ${row.name}`)
  const { attributes, ...message } = JSON.parse(row.message) as Omit<OutgoingMessage, 'envelope'> & { readonly attributes: Omit<Envelope, 'body'> }
  return {
    name: row.name,
    cron: row.cron,
    timeZone: row.time_zone,
    nextAtMs: row.next_at_ms,
    message: { ...message, envelope: { ...attributes, body: row.body } },
  }
}

/** Keeps the next time of a schedule that exists with the same cron and zone. */
export function putSchedule(db: Database, schedule: ScheduleRecord): ScheduleRecord {
  const {
    envelope: { body, ...attributes },
    ...message
  } = schedule.message
  const json = JSON.stringify({ ...message, attributes })
  const row = db.one<ScheduleRow>(
    `INSERT INTO schedule (${columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
     ON CONFLICT (name) DO UPDATE SET message = ?5, body = ?6, checksum = ?7,
       next_at_ms = iif(cron = ?2 AND time_zone = ?3, next_at_ms, ?4), cron = ?2, time_zone = ?3
     RETURNING ${columns}`,
    schedule.name,
    schedule.cron,
    schedule.timeZone,
    schedule.nextAtMs,
    json,
    body,
    rowChecksum(db, json, body),
  )
  return record(db, row)
}

export function removeSchedule(db: Database, name: string): boolean {
  return db.run('DELETE FROM schedule WHERE name = ?', name) > 0
}

export function schedules(db: Database): ScheduleRecord[] {
  return db.all<ScheduleRow>(`SELECT ${columns} FROM schedule ORDER BY name`).map((row) => record(db, row))
}

/** Compare and set: false if somebody else has fired it. */
export function advanceSchedule(db: Database, name: string, expectedAtMs: number, nextAtMs: number): boolean {
  return db.run('UPDATE schedule SET next_at_ms = ? WHERE name = ? AND next_at_ms = ?', nextAtMs, name, expectedAtMs) === 1
}
