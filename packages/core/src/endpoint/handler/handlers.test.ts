import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, event, request, typed } from '../../contract/index.ts'
import { Reject, RetryAfter } from '../../policy/index.ts'
import { createTestKit } from '../../testing/index.ts'
import type { Logger } from '../logging/logger.ts'

const Placed = event('shop.order.placed', typed<{ orderId: string; n?: number }>(), { key: (order) => order.orderId })
const Paid = event('shop.order.paid', typed<{ orderId: string; amount: number }>(), { key: (order) => order.orderId })
const Stock = event('shop.stock.changed', typed<{ sku: string }>(), { key: (stock) => stock.sku })
const Ship = command('shop.ship', typed<{ orderId: string }>())
const Quote = request('shop.quote', typed<{ sku: string }>(), { reply: typed<{ price: number }>() })

test('the context sends with correlation and causation, and narrows by is and by type', async () => {
  await using kit = await createTestKit({ service: 'order' })
  const seen: unknown[] = []
  kit.bus.on([Placed, Paid], async (data, context) => {
    if (context.is(Paid, data)) seen.push(['paid', data.amount, context.message.correlationid, context.message.causationid])
    if (context.message.type === 'shop.order.placed') {
      seen.push([
        'placed',
        context.message.data.orderId,
        context.attempt,
        context.deliveries,
        context.key,
        context.channel,
        context.group,
        context.idempotencyKey.startsWith('order:order:'),
      ])
      await context.publish(Paid, { orderId: data.orderId, amount: 5 })
      await context.send(Ship, { orderId: data.orderId })
    }
  })
  kit.bus.handle(Ship, (_, { message }) => {
    seen.push(['ship', message.correlationid, message.causationid])
  })
  await kit.bus.start()
  const { id } = await kit.bus.publish(Placed, { orderId: 'A' })
  await kit.drained()
  assert.deepEqual(
    seen.sort(),
    [
      ['paid', 5, id, id],
      ['placed', 'A', 1, 1, 'A', 'shop.order', 'order', true],
      ['ship', id, id],
    ].sort(),
  )
  const chain = await kit.bus.publish(Placed, { orderId: 'B' }, { correlationId: 'conversation' })
  await kit.drained()
  assert.ok(seen.some((one) => Array.isArray(one) && one[0] === 'ship' && one[1] === 'conversation' && one[2] === chain.id))
})

test('outcomes: throw is tried again, Reject is dead-lettered now, RetryAfter does not count', async () => {
  await using kit = await createTestKit()
  const attempts: Record<string, number[]> = { throw: [], reject: [], after: [] }
  kit.bus.on(
    Placed,
    ({ orderId }, { attempt, deliveries }) => {
      attempts[orderId]?.push(attempt)
      if (orderId === 'throw') throw new Error('always')
      if (orderId === 'reject') throw new Reject('never')
      if (orderId === 'after' && deliveries < 4) throw new RetryAfter(50)
    },
    { retry: { attempts: 3, minDelayMs: 10 } },
  )
  await kit.bus.start()
  for (const orderId of ['throw', 'reject', 'after']) await kit.bus.publish(Placed, { orderId })
  await kit.drained()
  assert.deepEqual(attempts, { throw: [1, 2, 3], reject: [1], after: [1, 1, 1, 1] })
  const letters = await kit.bus.deadLetters(Placed).list()
  assert.deepEqual(letters.map((one) => [one.message.partitionkey, one.reason.attempts]).sort(), [
    ['reject', 1],
    ['throw', 3],
  ])
})

test('filter and foreign types are skipped; two groups get a copy each', async () => {
  await using kit = await createTestKit({ service: 'a' })
  const b = await kit.connect({ service: 'b' })
  kit.bus.on(Placed, () => {}, { filter: (message) => message.partitionkey !== 'skip' })
  b.on(Paid, () => {})
  b.on(Placed, () => {}, { group: 'b2' })
  await Promise.all([kit.bus.start(), b.start()])
  await kit.bus.publish(Placed, { orderId: 'skip' })
  await kit.bus.publish(Placed, { orderId: 'take' })
  await kit.drained()
  assert.deepEqual(
    kit
      .handled()
      .map((one) => [one.service, one.group, one.key])
      .sort(),
    [
      ['a', 'a', 'take'],
      ['b', 'b2', 'skip'],
      ['b', 'b2', 'take'],
    ],
  )
})

test('batches: entry.fail fails one, a throw fails all, size and order hold', async () => {
  await using kit = await createTestKit()
  const sizes: number[] = []
  let failed = false
  kit.bus.on(
    Placed,
    async (entries, context) => {
      sizes.push(context.size)
      for (const entry of entries) {
        if (entry.data.n === 3 && !failed) {
          failed = true
          entry.fail(new Error('only this one'))
        }
      }
    },
    { batch: { size: 4 }, retry: { minDelayMs: 10 } },
  )
  await kit.bus.publishMany(
    Placed,
    Array.from({ length: 10 }, (_, n) => ({ data: { orderId: `o${n}`, n } })),
  )
  await kit.bus.start()
  await kit.drained()
  assert.ok(sizes.every((size) => size >= 1 && size <= 4) && sizes.some((size) => size === 4), `sizes ${sizes}`)
  const threes = kit.handled(Placed).filter((one) => one.data.n === 3)
  assert.deepEqual(
    threes.map((one) => [one.attempt, one.outcome]),
    [
      [1, 'threw'],
      [2, 'returned'],
    ],
  )
  assert.equal(kit.handled(Placed).length, 11)
})

test('order per key over several contracts of a channel, with concurrency and a retry', async () => {
  await using kit = await createTestKit()
  const order: string[] = []
  let failures = 2
  const work = async (name: string): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    if (name === 'A1' && failures-- > 0) throw new Error('for the test')
    order.push(name)
  }
  kit.bus.on(Placed, (data) => work(`${data.orderId}${data.n}`), { retry: { minDelayMs: 10 } })
  kit.bus.on(Paid, (data) => work(`${data.orderId}${data.amount}`), { retry: { minDelayMs: 10 } })
  await kit.bus.start()
  for (let n = 0; n < 6; n++) {
    for (const orderId of ['A', 'B']) await (n % 2 === 0 ? kit.bus.publish(Placed, { orderId, n }) : kit.bus.publish(Paid, { orderId, amount: n }))
  }
  await kit.drained()
  for (const key of ['A', 'B'])
    assert.deepEqual(
      order.filter((name) => name.startsWith(key)),
      [0, 1, 2, 3, 4, 5].map((n) => `${key}${n}`),
    )
})

test('broadcast: every instance gets each message from its start on', async () => {
  await using kit = await createTestKit({ service: 'price' })
  const second = await kit.connect({ service: 'price' })
  const got: string[] = []
  await kit.bus.publish(Stock, { sku: 'before' })
  for (const [name, bus] of [
    ['one', kit.bus],
    ['two', second],
  ] as const) {
    bus.on(
      Stock,
      ({ sku }) => {
        got.push(`${name} ${sku}`)
      },
      { broadcast: true },
    )
    await bus.start()
  }
  await kit.bus.publish(Stock, { sku: 'after' })
  await kit.drained()
  assert.deepEqual(got.sort(), ['one after', 'two after'])
})

test('competing instances of a group share the work, each message once', async () => {
  await using kit = await createTestKit({ service: 'w' })
  const second = await kit.connect({ service: 'w' })
  for (const bus of [kit.bus, second]) bus.handle(Ship, () => {})
  await Promise.all([kit.bus.start(), second.start()])
  await kit.bus.sendMany(
    Ship,
    Array.from({ length: 50 }, (_, i) => ({ data: { orderId: `o${i}` } })),
  )
  await kit.drained()
  assert.equal(new Set(kit.handled(Ship).map((one) => one.data.orderId)).size, 50)
  assert.equal(kit.handled(Ship).length, 50)
})

test('handlers can be added, paused, resumed and stopped while the bus runs; the group and its backlog stay', async () => {
  await using kit = await createTestKit()
  await kit.bus.start()
  const placed = kit.bus.on(Placed, () => {})
  await placed.ready
  const paid = kit.bus.on(Paid, () => {})
  await paid.ready
  await kit.bus.publish(Placed, { orderId: 'A' })
  await kit.bus.publish(Paid, { orderId: 'A', amount: 1 })
  await kit.drained()
  assert.deepEqual(
    kit.handled().map((one) => one.type),
    ['shop.order.placed', 'shop.order.paid'],
  )
  placed.pause()
  await kit.bus.publish(Placed, { orderId: 'B' })
  await kit.advance(1_000)
  assert.equal(kit.handled(Placed).length, 1)
  placed.resume()
  await kit.drained()
  assert.equal(kit.handled(Placed).length, 2)
  await paid.stop()
  await kit.bus.publish(Placed, { orderId: 'C' })
  await kit.drained()
  assert.equal(kit.handled(Placed).length, 3)
  await placed.stop()
  await kit.bus.publish(Placed, { orderId: 'D' })
  const rows = await kit.bus.inspect()
  assert.deepEqual(
    rows.map((row) => [row.channel, row.group, row.backlog, row.consumers]),
    [['shop.order', 'test', 1, 0]],
  )
})

test('timeoutMs aborts the signal and fails the attempt', async () => {
  await using kit = await createTestKit()
  const aborted: boolean[] = []
  kit.bus.handle(
    Ship,
    async (_, { signal, attempt }) => {
      if (attempt > 1) return
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      aborted.push(signal.aborted)
    },
    { timeoutMs: 1_000, retry: { minDelayMs: 10 } },
  )
  await kit.bus.start()
  await kit.bus.send(Ship, { orderId: 'A' })
  await kit.advance(3_000)
  await kit.drained()
  assert.deepEqual(aborted, [true])
  assert.deepEqual(
    kit.handled(Ship).map((one) => one.attempt),
    [1, 2],
  )
})

test('handlers that contradict each other are refused with both places', async () => {
  await using kit = await createTestKit()
  kit.bus.on(Placed, () => {}, { concurrency: 4 })
  const bothPlaces = { code: 'CONTRACT_CONFLICT', message: /handlers\.test\.ts:\d+.*handlers\.test\.ts:\d+/s }
  assert.throws(() => kit.bus.on(Placed, () => {}), bothPlaces)
  assert.throws(() => kit.bus.on(Paid, () => {}, { concurrency: 5 }), bothPlaces)
  kit.bus.on(Paid, () => {}, { concurrency: 4, order: 'key' })
  kit.bus.on(Placed, () => {}, { group: 'another', concurrency: 9 })
  assert.throws(() => kit.bus.on([Stock, Stock], () => {}), { code: 'CONTRACT_CONFLICT' })
})

test('options that cannot work are refused where they are written', async () => {
  await using kit = await createTestKit()
  const wrong: Record<string, unknown>[] = [
    { concurrency: 0 },
    { concurrency: 1.5 },
    { order: 'keys' },
    { onDeadLetter: 'stop' },
    { onNewerVersion: 'x' },
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { from: new Date(Number.NaN) },
    { from: 'now' },
    { batch: { size: 0 } },
    { batch: { size: 2, waitMs: -1 } },
    { batch: { size: 2, perLane: 'two' } },
    { rateLimit: { messages: 0, intervalMs: 1 } },
    { retry: { attempts: 0 } },
    { retry: { minDelayMs: 5, maxDelayMs: 1 } },
    { group: 'x', broadcast: true },
    { concurrencyScope: 'world' },
    { killSwitch: { share: 2 } },
    { circuitBreaker: { count: 0 } },
  ]
  for (const options of wrong) assert.throws(() => kit.bus.on(Placed, () => {}, options as never), { code: 'INVALID_OPTION' }, JSON.stringify(options))
  assert.throws(() => kit.bus.on(Placed, () => {}, { group: 'a/b' }), { code: 'INVALID_NAME' })
  assert.throws(() => kit.bus.on(Placed, () => {}, { inbox: true } as never), { code: 'UNSUPPORTED' })
  // As plain JavaScript would call it.
  const loose = kit.bus as unknown as Record<'on' | 'handle', (...args: unknown[]) => unknown>
  assert.throws(() => loose.handle(Ship, () => {}, { group: 'x' }), { code: 'INVALID_OPTION' })
  assert.throws(() => loose.handle(Placed, () => {}), { code: 'INVALID_OPTION' })
  assert.throws(() => loose.on(Quote, () => {}), { code: 'INVALID_OPTION' })
  assert.throws(() => loose.on([], () => {}), { code: 'INVALID_OPTION' })
  assert.throws(() => kit.bus.on(Placed, undefined as never), { code: 'INVALID_OPTION' })
})

test('older data is upcast; a newer version is held, or dead-lettered where asked', async () => {
  const one = event('doc.saved', typed<{ name: string }>(), { key: (doc) => doc.name })
  const two = event('doc.saved', typed<{ title: string }>(), {
    key: (doc) => doc.title,
    version: 2,
    upcast: { 1: (data) => ({ title: (data as { name: string }).name }) },
  })
  await using kit = await createTestKit({ service: 'reader' })
  const oldWriter = await kit.connect({ service: 'old' })
  const oldReader = await kit.connect({ service: 'strict' })
  kit.bus.on(two, () => {})
  oldReader.on(one, () => {}, { onNewerVersion: 'dead-letter' })
  await Promise.all([kit.bus.start(), oldReader.start()])
  await oldWriter.publish(one, { name: 'A' })
  await kit.bus.publish(two, { title: 'B' })
  await kit.drained()
  assert.deepEqual(
    kit
      .handled(two)
      .filter((record) => record.group === 'reader')
      .map((record) => record.data.title),
    ['A', 'B'],
  )
  assert.deepEqual(
    (await oldReader.deadLetters(one).list()).map((letter) => [letter.reason.code, letter.data]),
    [['NEWER_VERSION', { title: 'B' }]],
  )
})

test('data that the schema refuses is dead-lettered at once, never handled', async () => {
  const loose = event('strict.one', typed<{ n: unknown }>())
  const strict = event('strict.one', {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof (value as { n: unknown }).n === 'number' ? { value: value as { n: number } } : { issues: [{ message: 'n is no number' }] },
    },
  })
  await using kit = await createTestKit()
  const writer = await kit.connect({ service: 'writer' })
  kit.bus.on(strict, () => {})
  await kit.bus.start()
  await writer.publish(loose, { n: 'x' })
  await writer.publish(loose, { n: 1 })
  await kit.drained()
  assert.deepEqual(
    kit.handled(strict).map((record) => record.data.n),
    [1],
  )
  const [letter] = await kit.bus.deadLetters(strict).list()
  assert.deepEqual([letter?.reason.code, letter?.reason.attempts, letter?.data], ['VALIDATION_FAILED', 0, { n: 'x' }])
})

test('ctx.log carries the message, and neither payload nor key; loggers of both argument orders fit', async () => {
  const lines: unknown[][] = []
  const write = (...args: unknown[]): void => {
    lines.push(args)
  }
  for (const pino of [false, true]) {
    lines.length = 0
    const logger = { debug: write, info: write, warn: write, error: write, ...(pino ? { bindings: () => ({}) } : {}) } as Logger
    const kit = await createTestKit({ logger, retry: { attempts: 1 } })
    kit.bus.on(Placed, (_, { log }) => {
      log.info('reserved', { shelf: 7 })
      throw new Error('boom')
    })
    await kit.bus.start()
    await kit.bus.publish(Placed, { orderId: 'canary-key' }, { id: 'm1', headers: { authorization: 'canary-header' } })
    await kit.drained()
    const line = lines.find((args) => args.includes('reserved')) as unknown[]
    assert.deepEqual(pino ? [line[1], line[0]] : line, [
      'reserved',
      { id: 'm1', type: 'shop.order.placed', channel: 'shop.order', group: 'test', attempt: 1, shelf: 7 },
    ])
    await kit.stop()
    assert.doesNotMatch(JSON.stringify(lines), /canary/)
  }
})
