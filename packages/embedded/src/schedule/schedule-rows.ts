/** Recurring schedules, inside a write transaction. */
import type { Envelope, OutgoingMessage, ScheduleRecord } from '@sluice/core/transport'
import { damagedRow, isWhole, placeOf, rowChecksum } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'

export interface ScheduleRow {
  readonly name: string
  readonly cron: string
  readonly time_zone: string
  readonly next_at_ms: number
  readonly message: string
  readonly body: string | Uint8Array
  readonly checksum: number
}
const columns = 'name, cron, time_zone, next_at_ms, message, body, checksum'

/** When a schedule fires next is as much worth as what it sends: its checksum covers both. */
export function schedulePlace(row: Pick<ScheduleRow, 'name' | 'cron' | 'time_zone' | 'next_at_ms'>): string {
  return placeOf(row.name, row.cron, row.time_zone, row.next_at_ms)
}

function record(db: Database, row: ScheduleRow): ScheduleRecord {
  if (!isWhole(db, schedulePlace(row), row.message, row)) throw damagedRow(`the schedule ${row.name}`)
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
  const known = db.get<ScheduleRow>(`SELECT ${columns} FROM schedule WHERE name = ?`, schedule.name)
  const same =
    known !== undefined && known.cron === schedule.cron && known.time_zone === schedule.timeZone && isWhole(db, schedulePlace(known), known.message, known)
  const place = { name: schedule.name, cron: schedule.cron, time_zone: schedule.timeZone, next_at_ms: same ? known.next_at_ms : schedule.nextAtMs }
  const row: ScheduleRow = { ...place, message: json, body, checksum: rowChecksum(db, schedulePlace(place), json, body) }
  store(db, row)
  return record(db, row)
}

function store(db: Database, row: ScheduleRow): void {
  const { name, cron, time_zone: timeZone, next_at_ms: nextAtMs, message, body, checksum } = row
  db.run(`INSERT OR REPLACE INTO schedule (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`, name, cron, timeZone, nextAtMs, message, body, checksum)
}

export function removeSchedule(db: Database, name: string): boolean {
  return db.run('DELETE FROM schedule WHERE name = ?', name) > 0
}

export function schedules(db: Database): ScheduleRecord[] {
  return db.all<ScheduleRow>(`SELECT ${columns} FROM schedule ORDER BY name`).map((row) => record(db, row))
}

/** Compare and set: false if somebody else has fired it. */
export function advanceSchedule(db: Database, name: string, expectedAtMs: number, nextAtMs: number): boolean {
  const row = db.get<ScheduleRow>(`SELECT ${columns} FROM schedule WHERE name = ? AND next_at_ms = ?`, name, expectedAtMs)
  if (row === undefined) return false
  if (!isWhole(db, schedulePlace(row), row.message, row)) throw damagedRow(`the schedule ${name}`)
  const next = { ...row, next_at_ms: nextAtMs }
  store(db, { ...next, checksum: rowChecksum(db, schedulePlace(next), row.message, row.body) })
  return true
}
