/**
 * Cron expressions: five fields (minute, hour, day of month, month, day of week) with `*`, lists, ranges, steps and
 * names, read in a time zone. As in Vixie cron a day matches if either day field does when both are restricted.
 *
 * Daylight saving: a time that the clock skips fires at the first instant after the gap; a time that it passes twice
 * fires once, the first time; expressions that run every hour or more often (`*` or a step in the hour field) follow
 * the wall clock instead, so that they neither pause nor double.
 */
import { SluiceError } from '../../errors/index.ts'

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: months },
  { name: 'day of week', min: 0, max: 7, names: days },
]
const aliases: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}

/** Wall-clock time in some zone. */
interface Wall {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
}

/** A parsed expression in a time zone. */
export class Cron {
  readonly #sets: readonly ReadonlySet<number>[]
  readonly #eitherDay: boolean
  readonly #everyHour: boolean
  readonly #format: Intl.DateTimeFormat

  /** @throws SluiceError INVALID_OPTION that names the field, or the zone. */
  constructor(expression: string, timeZone = 'UTC') {
    const text = aliases[expression.trim().toLowerCase()] ?? expression.trim().toLowerCase()
    const parts = text.split(/\s+/)
    if (parts.length !== 5) throw wrong(expression, 'it has not five fields')
    this.#sets = parts.map((part, index) => parseField(expression, part, fields[index] as Field))
    const weekdays = this.#sets[4] as Set<number>
    if (weekdays.has(7)) weekdays.add(0)
    this.#eitherDay = !(parts[2] as string).startsWith('*') && !(parts[4] as string).startsWith('*')
    this.#everyHour = (parts[1] as string).startsWith('*')
    try {
      this.#format = new Intl.DateTimeFormat('en-US', {
        timeZone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
      })
    } catch (cause) {
      throw new SluiceError('INVALID_OPTION', `${JSON.stringify(timeZone)} is not a time zone`, {
        cause,
        fix: "Use an IANA name, e.g. 'Europe/Berlin' or 'UTC'",
      })
    }
  }

  /** The first time after `afterMs`, ms since the epoch. @throws SluiceError INVALID_OPTION if there is none within eight years. */
  next(afterMs: number): number {
    // Eight years: the longest time between two 29ths of February.
    const lastDay = afterMs + 8 * 366 * 86_400_000
    let day = this.#wall(afterMs)
    for (let at = afterMs; at <= lastDay; ) {
      if (this.#dayMatches(day)) {
        const found = this.#firstOfDay(day, afterMs)
        if (found !== undefined) return found
      }
      const next = new Date(Date.UTC(day.year, day.month - 1, day.day + 1))
      day = { year: next.getUTCFullYear(), month: next.getUTCMonth() + 1, day: next.getUTCDate(), hour: 0, minute: 0 }
      at = next.getTime()
    }
    throw new SluiceError('INVALID_OPTION', 'the cron expression never matches', { fix: 'Look at its day and month, e.g. 30 February' })
  }

  #dayMatches({ year, month, day }: Wall): boolean {
    const [, , monthDays, monthSet, weekdays] = this.#sets as [
      ReadonlySet<number>,
      ReadonlySet<number>,
      ReadonlySet<number>,
      ReadonlySet<number>,
      ReadonlySet<number>,
    ]
    if (!monthSet.has(month)) return false
    const byDate = monthDays.has(day)
    const byWeekday = weekdays.has(new Date(Date.UTC(year, month - 1, day)).getUTCDay())
    return this.#eitherDay ? byDate || byWeekday : byDate && byWeekday
  }

  #firstOfDay(day: Wall, afterMs: number): number | undefined {
    const midnight = Date.UTC(day.year, day.month - 1, day.day)
    // Around the whole day, so that a change on it shows as two offsets; then each time is looked up, else none.
    const offsets = [...new Set([this.#offsetMs(midnight - 26 * 3_600_000), this.#offsetMs(midnight + 50 * 3_600_000)])]
    let best: number | undefined
    for (const hour of this.#sets[1] as ReadonlySet<number>) {
      for (const minute of this.#sets[0] as ReadonlySet<number>) {
        const asUtc = midnight + hour * 3_600_000 + minute * 60_000
        // A gap moves a time by its own length, three hours at most in the zones' history.
        if (offsets.every((offset) => asUtc - offset + 3 * 3_600_000 <= afterMs)) continue
        for (const at of this.#instants(asUtc, offsets)) {
          if (at > afterMs && (best === undefined || at < best)) best = at
        }
        // Times ascend, but for the overlap of a clock that is put back.
        if (best !== undefined && (offsets.length === 1 || asUtc - Math.max(...offsets) > best)) return best
      }
    }
    return best
  }

  /** The instants at which the zone's clock shows this time: usually one; with the clock put back two; in a gap the gap's end. */
  #instants(asUtc: number, offsets: readonly number[]): readonly number[] {
    const [only] = offsets
    if (offsets.length === 1) return [asUtc - (only as number)]
    const shown = offsets.map((offset) => asUtc - offset).filter((at) => this.#offsetMs(at) === asUtc - at)
    if (shown.length === 0) return this.#everyHour ? [] : [this.#gapEnd(asUtc, offsets)]
    shown.sort((a, b) => a - b)
    return this.#everyHour ? shown : shown.slice(0, 1)
  }

  #gapEnd(asUtc: number, offsets: readonly number[]): number {
    // The change lies between these two; found by halving, to the minute.
    let before = asUtc - Math.max(...offsets)
    let after = asUtc - Math.min(...offsets)
    const old = this.#offsetMs(before)
    while (after - before > 60_000) {
      const middle = before + Math.floor((after - before) / 120_000) * 60_000
      if (this.#offsetMs(middle) === old) before = middle
      else after = middle
    }
    return after
  }

  #offsetMs(at: number): number {
    const wall = this.#wall(at)
    return Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute) - Math.floor(at / 60_000) * 60_000
  }

  #wall(at: number): Wall {
    const wall = { year: 0, month: 0, day: 0, hour: 0, minute: 0 }
    for (const { type, value } of this.#format.formatToParts(at)) {
      if (type === 'year' || type === 'month' || type === 'day' || type === 'hour' || type === 'minute') wall[type] = Number(value)
    }
    return wall
  }
}

function parseField(expression: string, text: string, field: Field): Set<number> {
  const values = new Set<number>()
  for (const part of text.split(',')) {
    const [range, step, ...rest] = part.split('/')
    const stepBy = step === undefined ? 1 : Number(step)
    if (rest.length > 0 || range === undefined || range === '' || !/^\d+$/.test(step ?? '1') || stepBy < 1)
      throw wrong(expression, `${JSON.stringify(part)} is no ${field.name}`)
    const [from, to] = bounds(expression, range, step !== undefined, field)
    for (let value = from; value <= to; value += stepBy) values.add(value)
  }
  return new Set([...values].sort((a, b) => a - b))
}

function bounds(expression: string, range: string, stepped: boolean, field: Field): readonly [number, number] {
  if (range === '*') return [field.min, field.name === 'day of week' ? 6 : field.max]
  const [first, last, ...rest] = range.split('-')
  const from = fieldValue(expression, first as string, field)
  const to = last === undefined ? (stepped ? field.max : from) : fieldValue(expression, last, field)
  if (rest.length > 0 || to < from) throw wrong(expression, `${JSON.stringify(range)} is no range of ${field.name}`)
  return [from, to]
}

function fieldValue(expression: string, text: string, field: Field): number {
  const name = field.names.indexOf(text)
  const value = name >= 0 ? name + (field.name === 'month' ? 1 : 0) : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  if (value >= field.min && value <= field.max) return value
  throw wrong(expression, `${JSON.stringify(text)} is no ${field.name}`)
}

function wrong(expression: string, why: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `${JSON.stringify(expression.slice(0, 100))} is not a cron expression: ${why}`, {
    fix: "Write five fields: minute hour day-of-month month day-of-week, e.g. '30 9 * * mon-fri'",
  })
}
