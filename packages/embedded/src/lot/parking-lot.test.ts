import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery, LotLane } from '@sluice/core/transport'
import { joinGroup, message, openBus, place, quietObserver, reason, subscription, take } from '../../test/bus-file.ts'

/** Resolves with the lane's news once it is told of it `count` times. */
function news(): { readonly told: LotLane[]; until(count: number): Promise<void> } {
  const told: LotLane[] = []
  const until = async (count: number): Promise<void> => {
    const endMs = performance.now() + 5000
    while (told.length < count) {
      if (performance.now() > endMs) throw new Error(`told ${JSON.stringify(told)}, not ${count} times`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return { told, until }
}

test('a dead letter that is discarded before its successor is moved: the owner is told that the lane goes on', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told, until } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k'), message('second', 'k')])
  const [first, second] = (await take(consumer, 2)) as [Delivery, Delivery]
  await consumer.deadLetter([{ delivery: first, lane: 'key:k', reason, mode: 'park' }])
  // One turn: the owner cannot hear of the discard before it asks for the move.
  const discarded = bus.admin.discard('c', 'g', {})
  const moved = consumer.lot?.move('key:k', [second], { state: 'suspended', dueAtMs: 0 })
  await Promise.all([discarded, moved])
  await until(1)
  const last = told.at(-1) as LotLane
  assert.equal(last.state, 'suspended')
  assert.ok(last.dueAtMs <= 0)
  const read = await consumer.lot?.read(second.partition, 'key:k', 10)
  assert.equal(read?.length, 1)
})

test('a second redrive into a lane that drains is told, although neither state nor due time changes', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told, until } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k'), message('second', 'k')])
  for (const delivery of await take(consumer, 2)) await consumer.deadLetter([{ delivery, lane: 'key:k', reason, mode: 'continue' }])
  const letters = await bus.admin.deadLetters('c', 'g', {})
  for (const [n, { deadLetterId }] of letters.entries()) {
    await bus.admin.redrive('c', 'g', { deadLetterIds: [deadLetterId] })
    await until(n + 1)
  }
  assert.deepEqual(
    told.map(({ state, count }) => [state, count]),
    [
      ['suspended', 1],
      ['suspended', 2],
    ],
  )
})

test('what the owner itself moved is no news to it', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const { told } = news()
  const consumer = await bus.consume(subscription(), { ...quietObserver, lotChanged: (_partition, lanes) => void told.push(...lanes) })
  await bus.send([message('first', 'k')])
  const [first] = (await take(consumer, 1)) as [Delivery]
  await consumer.lot?.move('key:k', [first], { state: 'suspended', dueAtMs: 4_000_000_000_000 })
  // Another member joins: everybody looks at the lots again.
  await joinGroup(bus)
  assert.deepEqual(told, [])
})
