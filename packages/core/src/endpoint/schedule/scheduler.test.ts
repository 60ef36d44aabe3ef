import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, typed } from '../../contract/index.ts'
import { createTestKit } from '../../testing/index.ts'

const Report = command('shop.report', typed<{ kind: string }>())

test('a schedule fires at its times, once over all instances', async () => {
  await using kit = await createTestKit({ service: 'reports' })
  const second = await kit.connect({ service: 'reports' })
  for (const bus of [kit.bus, second]) {
    bus.handle(Report, () => {})
    await bus.start()
    await bus.schedule('nightly', '0 * * * *', Report, { kind: 'night' }, { headers: { origin: 'schedule' } })
  }
  await kit.advance(3_600_000 * 3 + 1_000)
  await kit.drained({ moveClock: false })
  assert.deepEqual(
    kit.handled(Report).map((one) => one.data.kind),
    ['night', 'night', 'night'],
  )
  assert.equal(new Set(kit.handled(Report).map((one) => one.id)).size, 3)
})

test('missed times are made up for once; nothing fires before start', async () => {
  await using kit = await createTestKit()
  kit.bus.handle(Report, () => {})
  const handle = await kit.bus.schedule('hourly', '0 * * * *', Report, { kind: 'x' }, { timeZone: 'Asia/Kolkata' })
  assert.equal(new Date(handle.nextAtMs).toISOString(), '2026-01-01T00:30:00.000Z')
  await kit.advance(5 * 3_600_000)
  assert.equal(kit.handled().length, 0)
  await kit.bus.start()
  await kit.advance(2_000)
  assert.equal(kit.handled().length, 1)
  assert.equal(new Date(handle.nextAtMs).toISOString(), '2026-01-01T05:30:00.000Z')
})

test('remove ends it; a changed expression replaces it; what is wrong is refused', async () => {
  await using kit = await createTestKit()
  kit.bus.handle(Report, () => {})
  await kit.bus.start()
  await kit.bus.schedule('s', '0 * * * *', Report, { kind: 'old' })
  const handle = await kit.bus.schedule('s', '*/30 * * * *', Report, { kind: 'new' })
  await kit.advance(1_801_000)
  assert.deepEqual(
    kit.handled(Report).map((one) => one.data.kind),
    ['new'],
  )
  assert.equal(await handle.remove(), true)
  assert.equal(await handle.remove(), false)
  await kit.advance(2 * 3_600_000)
  assert.equal(kit.handled().length, 1)
  await assert.rejects(kit.bus.schedule('s', 'often', Report, { kind: 'x' }), { code: 'INVALID_OPTION' })
  await assert.rejects(kit.bus.schedule('', '* * * * *', Report, { kind: 'x' }), { code: 'INVALID_OPTION' })
  await assert.rejects(kit.bus.schedule('s', '* * * * *', Report, { kind: 'x' }, { timeZone: 'Nowhere' }), { code: 'INVALID_OPTION' })
})
