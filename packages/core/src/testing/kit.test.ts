import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, event, typed } from '../contract/index.ts'
import { createTestKit } from './index.ts'

const Placed = event('shop.order.placed', typed<{ orderId: string }>(), { key: (order) => order.orderId })
const Ship = command('shop.ship', typed<{ orderId: string }>())

test('drained waits for what handlers set off, over several services, while the clock stands still', async () => {
  const kit = await createTestKit({ service: 'inventory' })
  const logistics = await kit.connect({ service: 'logistics' })
  kit.bus.on(Placed, (order, context) => context.send(Ship, { orderId: order.orderId }))
  logistics.handle(Ship, async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
  })
  await Promise.all([kit.bus.start(), logistics.start()])
  const beforeMs = kit.clock.nowMs()
  await kit.bus.publish(Placed, { orderId: 'A1' })
  await kit.drained()
  assert.equal(kit.assertHandled(Ship, { orderId: 'A1' }).service, 'logistics')
  assert.equal(kit.assertPublished(Ship, { orderId: 'A1' }).service, 'inventory')
  assert.ok(kit.clock.nowMs() - beforeMs < 1_000)
  assert.throws(() => kit.assertHandled(Ship, { orderId: 'B2' }), { name: 'AssertionError' })
  assert.throws(() => kit.assertPublished(Placed, { orderId: 'B2' }), { name: 'AssertionError' })
  await kit.stop()
})

test('drained moves the clock through retries, and not with moveClock: false', async () => {
  const kit = await createTestKit({ retry: { attempts: 4, minDelayMs: 1_000, maxDelayMs: 10_000 } })
  let calls = 0
  kit.bus.on(Placed, () => {
    if (++calls < 4) throw new Error('not yet')
  })
  await kit.bus.start()
  await kit.bus.publish(Placed, { orderId: 'A1' })
  await kit.drained({ moveClock: false })
  assert.equal(calls, 1)
  const beforeMs = kit.clock.nowMs()
  await kit.drained()
  assert.equal(calls, 4)
  assert.ok(kit.clock.nowMs() - beforeMs >= 3_500)
  assert.deepEqual(
    kit.handled(Placed).map((one) => [one.attempt, one.outcome]),
    [
      [1, 'threw'],
      [2, 'threw'],
      [3, 'threw'],
      [4, 'returned'],
    ],
  )
  await kit.assertNoDeadLetters()
  await kit.stop()
})

test('advance fires retries and delayed messages at their times', async () => {
  const kit = await createTestKit()
  kit.bus.on(Placed, () => {})
  await kit.bus.start()
  await kit.bus.publish(Placed, { orderId: 'A1' }, { delayMs: 60_000 })
  await kit.drained()
  assert.equal(kit.handled(Placed).length, 0)
  await kit.advance(59_000)
  assert.equal(kit.handled(Placed).length, 0)
  await kit.advance(2_000)
  assert.equal(kit.handled(Placed).length, 1)
  await kit.stop()
})

test('dead letters fail the assertion with their reason; parked successors do not keep drained waiting', async () => {
  const kit = await createTestKit()
  kit.bus.on(
    Placed,
    () => {
      throw new Error('no stock')
    },
    { retry: { attempts: 1 }, onDeadLetter: 'park' },
  )
  await kit.bus.start()
  for (let i = 0; i < 3; i++) await kit.bus.publish(Placed, { orderId: 'A1' })
  await kit.drained()
  await assert.rejects(kit.assertNoDeadLetters(), { message: /1 in group test .*no stock/s })
  await kit.stop()
})

test('what never ends is named at the time-out', async () => {
  const kit = await createTestKit()
  kit.bus.on(Placed, () => new Promise(() => {}))
  await kit.bus.start()
  await kit.bus.publish(Placed, { orderId: 'A1' })
  await assert.rejects(kit.drained({ timeoutMs: 50 }), { message: /1 handlers still run/ })
  await kit.stop()
})
