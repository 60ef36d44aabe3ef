import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery, Subscription } from './transport.ts'
import { firstDelivery, UnsettledConsumer } from './unsettled-consumer.ts'

class Heard extends UnsettledConsumer {
  left = 0

  hear(...bodies: readonly string[]): void {
    for (const body of bodies)
      this.heard({ ...firstDelivery, envelope: { id: body, type: 't', source: 's', time: '', body }, partition: 'all', storedAtMs: 0, sizeBytes: body.length })
  }

  protected async leave(): Promise<void> {
    this.left++
  }
}

const subscription: Subscription = {
  channel: 'c',
  group: 'g',
  from: 'end',
  order: 'key',
  ephemeral: true,
  kind: 'reply',
  types: ['t', 'u'],
  windowCount: 100,
  windowBytes: 1e6,
}

const bodies = (deliveries: readonly Delivery[]): readonly unknown[] => deliveries.map(({ envelope }) => envelope.body)

test('what is heard comes in order, as many as are asked for; who waits is answered at once, one that was given back comes first', async () => {
  const consumer = new Heard(subscription)
  consumer.hear('1', '2', '3')
  const first = await consumer.receive(2)
  assert.deepEqual(bodies(first), ['1', '2'])
  consumer.release(first.slice(1))
  assert.deepEqual(bodies(await consumer.receive(5)), ['2', '3'])
  const waiting = consumer.receive(5)
  consumer.hear('4', '5')
  assert.deepEqual(bodies(await waiting), ['4'])
  assert.deepEqual(bodies(await consumer.receive(5)), ['5'])
  assert.deepEqual(
    [...consumer.groupTypes()],
    [
      ['t', 1],
      ['u', 1],
    ],
  )
})

test('closing answers who waits with nothing, and leaves once', async () => {
  const consumer = new Heard(subscription)
  const waiting = consumer.receive(1)
  await Promise.all([consumer.close(), consumer.close()])
  consumer.hear('late')
  assert.deepEqual([await waiting, await consumer.receive(1), consumer.left], [[], [], 1])
})
