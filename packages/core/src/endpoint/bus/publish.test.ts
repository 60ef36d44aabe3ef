import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { command, event, request, typed } from '../../contract/index.ts'
import { createTestKit } from '../../testing/index.ts'
import { connect } from '../connect/connect.ts'

const Placed = event('shop.order.placed', z.object({ orderId: z.string(), total: z.number() }), { key: (order) => order.orderId, tags: ['order'] })
const Paid = event('shop.order.paid', typed<{ orderId: string }>(), { key: (order) => order.orderId })
const Ship = command('shop.ship', typed<{ orderId: string }>())
const Quote = request('shop.quote', typed<{ sku: string }>(), { reply: typed<{ price: number }>() })

test('every option of publish reaches the handler', async () => {
  await using kit = await createTestKit({ service: 'order' })
  const seen: Record<string, unknown>[] = []
  kit.bus.on(Placed, (data, { message, key }) => {
    seen.push({ ...message, key, data })
  })
  await kit.bus.start()
  const options = {
    id: 'my-id',
    key: 'other',
    headers: { 'X-Tenant': 'T1' },
    subject: 'orders/A1',
    tags: ['vip'],
    sequence: '7',
    expiresInMs: 60_000,
    correlationId: 'c1',
    causationId: 'c0',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  assert.deepEqual(await kit.bus.publish(Placed, { orderId: 'A1', total: 42 }, options), { id: 'my-id', duplicate: false })
  await kit.drained()
  assert.deepEqual(seen, [
    {
      id: 'my-id',
      type: 'shop.order.placed',
      source: 'order',
      time: '2026-01-01T00:00:00.000Z',
      partitionkey: 'other',
      key: 'other',
      headers: { 'x-tenant': 'T1' },
      subject: 'orders/A1',
      tags: ['order', 'vip'],
      sequence: '7',
      expirytime: '2026-01-01T00:01:00.000Z',
      correlationid: 'c1',
      causationid: 'c0',
      traceparent: options.traceparent,
      data: { orderId: 'A1', total: 42 },
    },
  ])
})

test("the schema's input is sent, its output makes the key and reaches the handler", async () => {
  const At = event('shop.at', z.object({ when: z.string().transform((text) => new Date(text)), who: z.string().trim() }), {
    key: (data) => `${data.who}@${data.when.getTime()}`,
  })
  await using kit = await createTestKit()
  kit.bus.on(At, () => {})
  await kit.bus.start()
  await kit.bus.publish(At, { when: '1970-01-01T00:00:01Z', who: ' me ' })
  await kit.drained()
  const handled = kit.assertHandled(At)
  assert.deepEqual(handled.data, { when: new Date(1000), who: 'me' })
  assert.equal(handled.key, 'me@1000')
})

test('what is wrong is refused before anything is sent, by its code', async () => {
  await using kit = await createTestKit({ limits: { messageBytesMax: 500 } })
  const { bus } = kit
  const good = { orderId: 'A1', total: 1 }
  const cases: [Promise<unknown>, string][] = [
    [bus.publish(Placed, { orderId: 'A1', total: 'x' } as never), 'VALIDATION_FAILED'],
    [bus.publish(Paid, { orderId: 'A1', n: 10n } as never), 'NOT_SERIALIZABLE'],
    [bus.publish(Paid, { orderId: 'A1', text: 'x'.repeat(600) } as never), 'MESSAGE_TOO_LARGE'],
    [bus.publish(Placed, good, { id: '' }), 'INVALID_ATTRIBUTE'],
    [bus.publish(Placed, good, { key: 'a\nb' }), 'INVALID_ATTRIBUTE'],
    [bus.publish(Placed, good, { subject: 'a\u0000b' }), 'INVALID_ATTRIBUTE'],
    [bus.publish(Placed, good, { headers: { 'ce-id': 'forged' } }), 'INVALID_HEADER'],
    [bus.publish(Placed, good, { headers: { a: '1', A: '2' } }), 'INVALID_HEADER'],
    [bus.publish(Placed, good, { headers: JSON.parse('{"__proto__":"x"}') as Record<string, string> }), 'INVALID_HEADER'],
    [bus.publish(Placed, good, { delayMs: Number.NaN }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { delayMs: -1 }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { at: new Date(Number.NaN) }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { at: 9e15 }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { delayMs: 1, at: 1 }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { expiresInMs: Number.POSITIVE_INFINITY }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { timeoutMs: 0 }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { priority: 3 }), 'UNSUPPORTED'],
    [bus.publish(Placed, good, { priority: 3.5 }), 'INVALID_OPTION'],
    [bus.publish(Placed, good, { tx: {} }), 'UNSUPPORTED'],
    [bus.publish(Placed, good, { signal: AbortSignal.abort() }), 'ABORTED'],
    [bus.publish(Ship as never, good), 'INVALID_OPTION'],
    [bus.send(Placed as never, good), 'INVALID_OPTION'],
    [bus.publish({} as never, good), 'INVALID_OPTION'],
  ]
  for (const [index, [call, code]] of cases.entries()) await assert.rejects(call, { code }, `case ${index}: ${code}`)
  assert.equal(
    (await bus.inspect()).reduce((sum, row) => sum + row.backlog, 0),
    0,
  )
})

test('publishMany: receipts in order; one bad entry and nothing is sent', async () => {
  await using kit = await createTestKit()
  kit.bus.on(Placed, () => {})
  await kit.bus.start()
  const receipts = await kit.bus.publishMany(Placed, [
    { data: { orderId: 'A', total: 1 }, id: 'i1' },
    { data: { orderId: 'B', total: 2 } },
    { data: { orderId: 'A', total: 3 }, key: 'K', headers: { h: '1' } },
  ])
  assert.equal(receipts[0]?.id, 'i1')
  await assert.rejects(
    kit.bus.publishMany(Placed, [{ data: { orderId: 'A', total: 1 } }, { data: { orderId: 'B' } as never }]),
    (error: { code: string; details: Record<string, unknown> }) => error.code === 'VALIDATION_FAILED' && error.details['index'] === 1,
  )
  assert.deepEqual(await kit.bus.publishMany(Placed, []), [])
  await kit.drained()
  assert.deepEqual(
    kit
      .handled(Placed)
      .map((one) => one.data.total)
      .sort(),
    [1, 2, 3],
  )
  assert.equal(kit.handled(Placed).find((one) => one.data.total === 3)?.key, 'K')
})

test('deduplicate: the second is confirmed with the id of the first', async () => {
  await using kit = await createTestKit()
  kit.bus.on(Paid, () => {})
  await kit.bus.start()
  const first = await kit.bus.publish(Paid, { orderId: 'A' }, { deduplicate: { key: 'pay-A', windowMs: 1_000 } })
  assert.deepEqual(await kit.bus.publish(Paid, { orderId: 'A' }, { deduplicate: { key: 'pay-A', windowMs: 1_000 } }), { id: first.id, duplicate: true })
  await kit.advance(2_000)
  assert.equal((await kit.bus.publish(Paid, { orderId: 'A' }, { deduplicate: { key: 'pay-A', windowMs: 1_000 } })).duplicate, false)
  await kit.drained()
  assert.equal(kit.handled(Paid).length, 2)
})

test('an expired message is not handled', async () => {
  await using kit = await createTestKit()
  kit.bus.on(Paid, () => {})
  await kit.bus.publish(Paid, { orderId: 'late' }, { expiresInMs: 1_000 })
  await kit.bus.publish(Paid, { orderId: 'good' })
  kit.clock.advance(2_000)
  await kit.bus.start()
  await kit.drained()
  assert.deepEqual(
    kit.handled(Paid).map((one) => one.data.orderId),
    ['good'],
  )
})

test('cancel takes back a delayed message', async () => {
  await using kit = await createTestKit()
  kit.bus.on(Paid, () => {})
  await kit.bus.start()
  const { id } = await kit.bus.publish(Paid, { orderId: 'A' }, { at: kit.clock.nowMs() + 10_000 })
  assert.equal(await kit.bus.cancel(Paid, id), true)
  assert.equal(await kit.bus.cancel(Paid, id), false)
  await kit.advance(20_000)
  await kit.drained()
  assert.equal(kit.handled(Paid).length, 0)
})

test('an event that no group asked for: kept, or UNROUTED', async () => {
  const Kept = event('a.kept', typed<number>())
  const Refused = event('b.refused', typed<number>(), { unrouted: 'error' })
  await using kit = await createTestKit()
  await kit.bus.publish(Kept, 1)
  await assert.rejects(kit.bus.publish(Refused, 1), { code: 'UNROUTED' })
  kit.bus.on(Kept, () => {})
  await kit.bus.start()
  await kit.drained()
  kit.assertHandled(Kept)
})

test('a group that a contract names exists before it was ever started; a command waits for its group', async () => {
  const Named = event('c.named', typed<number>(), { groups: ['audit'], unrouted: 'error' })
  await using kit = await createTestKit()
  await kit.bus.publish(Named, 7)
  await kit.bus.send(Ship, { orderId: 'A' })
  assert.deepEqual(
    (await kit.bus.inspect()).map((row) => [row.transport, row.channel, row.group, row.backlog, row.consumers]),
    [
      ['memory', 'c', 'audit', 1, 0],
      ['memory', 'shop.ship', 'shop.ship', 1, 0],
    ],
  )
  const audit = await kit.connect({ service: 'audit' })
  audit.on(Named, () => {}, { from: 'end' })
  audit.handle(Ship, () => {})
  await audit.start()
  await kit.drained()
  kit.assertHandled(Named)
  kit.assertHandled(Ship)
})

test('what the first sender declared does not bind the handlers: they settle order and concurrency', async () => {
  for (const options of [{ order: 'none' }, { order: 'channel' }, { concurrencyScope: 'group', concurrency: 2 }] as const) {
    await using kit = await createTestKit()
    for (let i = 0; i < 10; i++) await kit.bus.send(Ship, { orderId: `o${i}` }, { key: `k${i % 3}` })
    let running = 0
    let most = 0
    kit.bus.handle(
      Ship,
      async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 2))
        running--
      },
      options,
    )
    await kit.bus.start()
    await kit.drained()
    const numbers = kit.handled(Ship).map((one) => Number(one.data.orderId.slice(1)))
    assert.equal(numbers.length, 10)
    if ('order' in options && options.order === 'channel')
      assert.deepEqual(
        numbers,
        [...numbers].sort((a, b) => a - b),
      )
    assert.ok('order' in options && options.order === 'none' ? most > 3 : most <= 2, `${JSON.stringify(options)}: ${most} at once`)
  }
})

test('an asynchronous schema keeps the order of the calls', async () => {
  const Slow = event(
    'slow.one',
    z.object({ n: z.number() }).refine(async ({ n }) => {
      await new Promise((resolve) => setTimeout(resolve, n === 0 ? 20 : 1))
      return true
    }),
    { key: () => 'k' },
  )
  await using kit = await createTestKit()
  kit.bus.on(Slow, () => {})
  await kit.bus.start()
  await Promise.all([kit.bus.publish(Slow, { n: 0 }), kit.bus.publish(Slow, { n: 1 }), kit.bus.publishMany(Slow, [{ data: { n: 2 } }, { data: { n: 3 } }])])
  await kit.drained()
  assert.deepEqual(
    kit.handled(Slow).map((one) => one.data.n),
    [0, 1, 2, 3],
  )
})

test('compression is undone for the handler, and only large bodies are compressed', async () => {
  const Text = event('big.text', typed<string>())
  await using kit = await createTestKit({ compression: { encoding: 'gzip', thresholdBytes: 1_000 } })
  const encodings: unknown[] = []
  kit.bus.on(
    Text,
    (_, { message }) => {
      encodings.push(message.datacontentencoding)
    },
    { order: 'channel' },
  )
  await kit.bus.start()
  await kit.bus.publish(Text, 'short')
  await kit.bus.publish(Text, 'x'.repeat(5_000))
  await kit.drained()
  assert.deepEqual(
    kit.handled(Text).map((one) => one.data),
    ['short', 'x'.repeat(5_000)],
  )
  assert.deepEqual(encodings, [undefined, 'gzip'])
})

test('routes: another channel goes over another transport', async () => {
  const bus = await connect({ service: 's', url: 'memory:', routes: { 'shop.**': 'memory:other' }, logger: false })
  await bus.publish(Placed, { orderId: 'A', total: 1 })
  const other = await connect({ service: 'inventory', url: 'memory:other', logger: false })
  const got: string[] = []
  other.on(Placed, (order) => {
    got.push(order.orderId)
  })
  await other.start()
  for (let i = 0; i < 100 && got.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(got, ['A'])
  await Promise.all([bus.stop(), other.stop()])
})

test('an unknown scheme names what is known; nothing stays open', async () => {
  await assert.rejects(
    connect({ service: 's', url: 'memory:', routes: { a: 'kafka://user:secret@host' }, logger: false }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'UNKNOWN_TRANSPORT')
      assert.match(error.message, /memory:/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    },
  )
})

test('contracts that contradict each other are refused at their first use', async () => {
  await using kit = await createTestKit()
  await kit.bus.publish(Paid, { orderId: 'A' })
  await assert.rejects(kit.bus.send(command('mixed', typed<number>(), { channel: 'shop.order' }), 1), { code: 'CONTRACT_CONFLICT' })
  assert.throws(() => kit.bus.on(event('shop.order.paid', typed<number>(), { version: 2, upcast: { 1: (data: unknown) => data } }), () => {}), {
    code: 'CONTRACT_CONFLICT',
  })
  await assert.rejects(kit.bus.request(Quote, { sku: 'x' }), { code: 'NO_HANDLER' })
})
