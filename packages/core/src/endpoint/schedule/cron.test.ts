import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cron } from './cron.ts'

function times(expression: string, timeZone: string, after: string, count: number): string[] {
  const cron = new Cron(expression, timeZone)
  const result: string[] = []
  let at = Date.parse(after)
  for (let i = 0; i < count; i++) {
    at = cron.next(at)
    result.push(new Date(at).toISOString().slice(0, 16))
  }
  return result
}

test('fields, lists, ranges, steps and names', () => {
  assert.deepEqual(times('* * * * *', 'UTC', '2026-01-01T00:00:30Z', 2), ['2026-01-01T00:01', '2026-01-01T00:02'])
  assert.deepEqual(times('*/20 9-10 * * *', 'UTC', '2026-01-01T09:30:00Z', 4), ['2026-01-01T09:40', '2026-01-01T10:00', '2026-01-01T10:20', '2026-01-01T10:40'])
  assert.deepEqual(times('30 9 * * mon-fri', 'UTC', '2026-01-02T10:00:00Z', 2), ['2026-01-05T09:30', '2026-01-06T09:30'])
  assert.deepEqual(times('0 0 1 jan,JUL *', 'UTC', '2026-01-01T00:00:00Z', 2), ['2026-07-01T00:00', '2027-01-01T00:00'])
  assert.deepEqual(times('5/25 3 * * *', 'UTC', '2026-01-01T00:00:00Z', 3), ['2026-01-01T03:05', '2026-01-01T03:30', '2026-01-01T03:55'])
  assert.deepEqual(times('0 0 * * 7', 'UTC', '2026-01-01T00:00:00Z', 1), ['2026-01-04T00:00'])
  assert.deepEqual(times('@weekly', 'UTC', '2026-01-01T00:00:00Z', 1), ['2026-01-04T00:00'])
})

test('both day fields restricted: either matches', () => {
  assert.deepEqual(times('0 0 13 * fri', 'UTC', '2026-01-01T00:00:00Z', 4), ['2026-01-02T00:00', '2026-01-09T00:00', '2026-01-13T00:00', '2026-01-16T00:00'])
})

test('29 February is found, 30 February is not', () => {
  assert.deepEqual(times('0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z', 1), ['2104-02-29T00:00'])
  assert.throws(() => new Cron('0 0 30 2 *').next(0), { code: 'INVALID_OPTION' })
})

test('a time that daylight saving skips fires when the gap ends; one that it repeats fires once', () => {
  // Berlin 2026: 29 March 02:00 → 03:00, 25 October 03:00 → 02:00.
  assert.deepEqual(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 3), ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'])
  assert.deepEqual(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2), ['2026-10-25T00:30', '2026-10-26T01:30'])
  assert.deepEqual(times('0 9 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 2), ['2026-03-28T08:00', '2026-03-29T07:00'])
})

test('an hourly expression follows the wall clock through both changes', () => {
  assert.deepEqual(times('0 * * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', 2), ['2026-03-29T01:00', '2026-03-29T02:00'])
  assert.deepEqual(times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 4), [
    '2026-10-25T00:00',
    '2026-10-25T01:00',
    '2026-10-25T02:00',
    '2026-10-25T03:00',
  ])
})

test('zones far from UTC, with half hours, and with half-hour daylight saving', () => {
  assert.deepEqual(times('0 0 * * *', 'Pacific/Kiritimati', '2026-01-01T00:00:00Z', 1), ['2026-01-01T10:00'])
  assert.deepEqual(times('0 0 * * *', 'Asia/Kolkata', '2026-01-01T00:00:00Z', 1), ['2026-01-01T18:30'])
  // Lord Howe 2026: 4 October 02:00 → 02:30.
  assert.deepEqual(times('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00:00Z', 1), ['2026-10-03T15:30'])
})

test('next is always later, matches, and skips nothing (every minute of a week around each change)', () => {
  for (const [zone, start] of [
    ['Europe/Berlin', '2026-03-27T00:00:00Z'],
    ['America/New_York', '2026-10-30T00:00:00Z'],
  ] as const) {
    const cron = new Cron('17 * * * *', zone)
    let at = Date.parse(start)
    for (let i = 0; i < 24 * 5; i++) {
      const next = cron.next(at)
      assert.ok(next > at && next - at <= 3_600_000, `${zone} ${new Date(at).toISOString()} → ${new Date(next).toISOString()}`)
      at = next
    }
  }
})

test('what is not a cron expression is refused by name', () => {
  for (const text of [
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    'a * * * *',
    '1,,2 * * * *',
    '1-2-3 * * * *',
    '*/2/2 * * * *',
    '-1 * * * *',
  ]) {
    assert.throws(() => new Cron(text), { code: 'INVALID_OPTION' }, text)
  }
  assert.throws(() => new Cron('* * * * *', 'Mars/Olympus'), { code: 'INVALID_OPTION', message: /time zone/ })
})
