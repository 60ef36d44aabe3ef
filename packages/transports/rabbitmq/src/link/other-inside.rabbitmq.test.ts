import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'amqplib'
import { envelopeOf, membership, trial, until, watcher } from '../trial.fixture.ts'
import { insideOf } from './inside.ts'

test("where amqplib's inside has another shape everything goes through amqplib: sent, confirmed, consumed, settled, handed over", async () => {
  const place = await trial()
  const plain = await connect(place.url.replace('?heartbeat=2', ''))
  assert.ok(insideOf(plain.connection), 'this version is known')
  const shape: object = Object.getPrototypeOf(plain.connection)
  await plain.close()
  // A list of its channels that is no array any more, as another version may have it.
  const lists = new WeakMap<object, object>()
  Object.defineProperty(shape, 'channels', {
    configurable: true,
    get(this: object) {
      return lists.get(this)
    },
    set(this: object, channels: object) {
      lists.set(this, Object.assign(Object.create(Array.prototype), channels))
    },
  })
  try {
    const changed = await connect(place.url.replace('?heartbeat=2', ''))
    assert.equal(insideOf(changed.connection), undefined)
    await changed.close()
    const [first, second] = [await place.open(), await place.open()]
    await first.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
    const watching = watcher()
    const consumer = await first.consume(membership, watching)
    await until('both partitions', () => watching.owned.size === 2)
    const batch = (from: number): { readonly channel: string; readonly envelope: ReturnType<typeof envelopeOf>; readonly sizeBytes: number }[] =>
      Array.from({ length: 300 }, (_, n) => ({ channel: 'c', envelope: envelopeOf(`m${from + n}`, `k${n % 7}`), sizeBytes: 200 }))
    assert.deepEqual((await first.send(batch(0))).failures, [])
    const came: string[] = []
    const take = async (from: typeof consumer, upTo: number): Promise<void> => {
      while (came.length < upTo) {
        const deliveries = await from.receive(100, 1_000_000)
        for (const { envelope } of deliveries) came.push(envelope.id)
        from.accept(deliveries)
      }
    }
    await take(consumer, 300)
    await consumer.close()
    const heir = await second.consume(membership, watcher())
    assert.deepEqual((await second.send(batch(300))).failures, [])
    await take(heir, 600)
    await heir.flush()
    // Each once: what the first one settled did not come again.
    assert.equal(new Set(came).size, 600)
    assert.equal(came.length, 600)
    await until('no backlog', async () => (await second.admin.groups('c'))[0]?.backlog === 0)
  } finally {
    await place.dispose()
    Reflect.deleteProperty(shape, 'channels')
  }
})
