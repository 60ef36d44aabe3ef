import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, type OutgoingMessage } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { context, message, place } from '../../test/bus-file.ts'

test('a deduplication window ends at its last millisecond', async (t) => {
  const clock = new ManualClock()
  const bus = await transport.open(`file:${place(t)}`, { ...context(), clock })
  await bus.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  // The keeper, which deletes what has expired, comes once a second: all of this happens before.
  const send = async (): Promise<boolean> => {
    const one: OutgoingMessage = { ...message('x', 'k'), deduplicate: { key: 'once', windowMs: 400 } }
    const { failures, duplicates } = await bus.send([one])
    assert.deepEqual(failures, [])
    return duplicates?.has(0) === true
  }
  assert.equal(await send(), false)
  clock.advance(399)
  assert.equal(await send(), true)
  clock.advance(1)
  assert.equal(await send(), false)
  clock.advance(399)
  assert.equal(await send(), true)
  await bus.close()
})
