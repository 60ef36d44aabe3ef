import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { event, typed } from '../../contract/index.ts'
import { createTestKit } from '../../testing/index.ts'

const Placed = event('shop.order.placed', typed<{ orderId: string }>(), { key: (order) => order.orderId })

test('each step from publish to settle is published on its diagnostics channel, while somebody listens', async () => {
  await using kit = await createTestKit()
  const seen: string[] = []
  const listen = (message: unknown, name: string | symbol): void => {
    const { channel, count } = message as { channel: string; count?: number }
    if (channel === 'shop.order') seen.push(count === undefined ? String(name) : `${String(name)} ${count}`)
  }
  const names = ['sluice:create', 'sluice:send', 'sluice:receive', 'sluice:process', 'sluice:settle']
  for (const name of names) subscribe(name, listen)
  kit.bus.on(Placed, () => {})
  await kit.bus.start()
  await kit.bus.publishMany(Placed, [{ data: { orderId: 'A' } }, { data: { orderId: 'B' } }])
  await kit.drained()
  assert.deepEqual(seen.slice(0, 3), ['sluice:create', 'sluice:create', 'sluice:send 2'])
  for (const name of names)
    assert.ok(
      seen.some((one) => one.startsWith(name)),
      name,
    )
  for (const name of names) unsubscribe(name, listen)
  const before = seen.length
  await kit.bus.publish(Placed, { orderId: 'C' })
  await kit.drained()
  assert.equal(seen.length, before)
})
