import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OutgoingMessage } from '../transport.ts'
import { keepMessage, type RegisteredSchedule, restoreMessage, ScheduleTable } from './schedules.ts'

const message = (id: string, body: string | Uint8Array): OutgoingMessage => {
  return { channel: 'c', envelope: { id, type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body }, sizeBytes: 200 }
}
const schedule = (cron: string, nextAtMs: number): RegisteredSchedule => {
  return { name: 's', message: keepMessage(message('template', 'x')), cron, timeZone: 'UTC', nextAtMs }
}

test('a message comes out of JSON as it went in, text and bytes', () => {
  for (const body of ['ü', new Uint8Array([0, 255, 7])]) {
    const given = message('m', body)
    assert.deepEqual(restoreMessage(JSON.parse(JSON.stringify(keepMessage(given)))), given)
  }
})

test('the same cron keeps its next time, another one has another', () => {
  const table = new ScheduleTable()
  table.apply({ op: 'schedule', schedule: schedule('* * * * *', 1_000) })
  table.apply({ op: 'schedule', schedule: schedule('* * * * *', 9_000) })
  assert.equal(table.get('s')?.nextAtMs, 1_000)
  table.apply({ op: 'schedule', schedule: schedule('0 * * * *', 9_000) })
  assert.equal(table.get('s')?.nextAtMs, 9_000)
})

test('of two who fire it one does; what was fired stays until it is sent, through a snapshot', () => {
  const table = new ScheduleTable()
  table.apply({ op: 'schedule', schedule: schedule('* * * * *', 1_000) })
  const fire = (id: string) => ({
    ...({ op: 'fire', name: 's', expectedAtMs: 1_000, nextAtMs: 2_000 } as const),
    firing: { id, message: keepMessage(message(id, 'x')) },
  })
  assert.deepEqual([table.apply(fire('a')), table.apply(fire('b'))], ['done', 'refused'])
  const later = new ScheduleTable()
  later.restore(JSON.parse(JSON.stringify(table.tables())))
  assert.deepEqual([[...later.firings.keys()], later.get('s')?.nextAtMs], [['a'], 2_000])
  assert.deepEqual([later.apply({ op: 'fired', id: 'a' }), later.apply({ op: 'fired', id: 'a' })], ['done', 'refused'])
  assert.deepEqual([later.apply({ op: 'schedule-gone', name: 's' }), later.all().length], ['done', 0])
})
