import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'

test('what is handed out is claimed in the file before: whoever takes over from the dead knows what may have begun', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  t.after(() => bus.close())
  const consumer = await joinGroup(bus)
  await bus.send([message('a', 'k')])
  await take(consumer, 1)
  const disk = new DatabaseSync(path, { readOnly: true })
  const { claimed } = disk.prepare('SELECT max(claimed) AS claimed FROM partition').get() as { claimed: number }
  disk.close()
  assert.ok(claimed > 1, `claimed up to ${claimed}, and position 1 is handed out`)
})
