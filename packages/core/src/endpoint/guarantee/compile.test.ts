import assert from 'node:assert/strict'
import { test } from 'node:test'
import { event, request, typed } from '../../contract/index.ts'
import { retryDefaults } from '../../policy/index.ts'
import { memoryTransport, type Transport, type TransportFactory, type TransportFacts } from '../../transport/index.ts'
import { connect } from '../connect/connect.ts'
import type { EventHandlerOptions } from '../handler/api.ts'
import { compileRoute, compileSending } from './compile.ts'
import type { RouteNeeds } from './needs.ts'

const embedded: TransportFacts = {
  name: 'embedded',
  serverVersion: '1',
  confirm: 'synced',
  settlement: 'lease',
  settlementConfirmed: true,
  handlingMsMax: Number.POSITIVE_INFINITY,
  takeOverMs: 10_000,
  keyOrder: 'key',
  partitions: 'growing',
  publishOrder: 'kept',
  parkingLot: 'durable',
  attempts: 'floor',
  delayedSend: { delayMsMax: Number.POSITIVE_INFINITY, keyed: true },
  schedules: true,
  fanOut: 'transport',
  broadcast: true,
  lateGroup: 'start',
  replay: true,
  filter: 'client',
  deduplicationMsMax: 86_400_000,
  backlog: 'exact',
  presence: true,
  priority: false,
  groupConcurrency: true,
  transaction: 'sqlite',
  messageBytesMax: 1e7,
  notes: [],
}
// As each of them could be set up: the facts come from the server, these are examples.
const kafka: TransportFacts = {
  ...embedded,
  name: 'kafka',
  settlement: 'watermark',
  confirm: 'replicated',
  keyOrder: 'partition',
  presence: false,
  groupConcurrency: false,
  schedules: false,
  transaction: 'none',
  notes: ['min.insync.replicas is 1'],
}
const redis: TransportFacts = { ...embedded, name: 'redis', confirm: 'process', groupConcurrency: false, publishOrder: 'sequence', transaction: 'none' }
const pubSub: TransportFacts = {
  ...redis,
  name: 'redis-pubsub',
  confirm: 'none',
  settlementConfirmed: false,
  parkingLot: 'none',
  attempts: 'none',
  keyOrder: 'none',
  publishOrder: 'none',
  lateGroup: 'end',
  replay: false,
}
const rabbit: TransportFacts = {
  ...embedded,
  name: 'rabbitmq',
  settlement: 'connection',
  handlingMsMax: 1_800_000,
  lateGroup: 'end',
  replay: false,
  parkingLot: 'durable',
  transaction: 'none',
  confirm: 'replicated',
}
const classic: TransportFacts = {
  ...rabbit,
  name: 'classic',
  parkingLot: 'none',
  settlementConfirmed: false,
  attempts: 'none',
  handlingMsMax: 60_000,
  broadcast: false,
  keyOrder: 'none',
}

const needs: RouteNeeds = {
  channel: 'shop.order',
  group: 'inventory',
  kind: 'events',
  types: ['shop.order.placed'],
  keyed: true,
  requests: false,
  order: 'key',
  from: 'start',
  broadcast: false,
  concurrency: 16,
  concurrencyScope: 'process',
  onDeadLetter: 'continue',
  handlers: [{ types: ['shop.order.placed'], retry: retryDefaults, timeoutMs: undefined, place: 'app.ts:1' }],
  stated: new Set(),
  holdMaxMs: 30_000,
}
const retrying = (maxDelayMs: number, timeoutMs?: number): RouteNeeds['handlers'] => [
  { types: ['t'], retry: { ...retryDefaults, maxDelayMs }, timeoutMs, place: 'app.ts:9' },
]

test('what a route cannot keep is refused with the fact that is missing and the option that would do', () => {
  const cases: [TransportFacts, Partial<RouteNeeds>, string | undefined, RegExp?][] = [
    [embedded, { onDeadLetter: 'park', concurrencyScope: 'group', broadcast: true, handlers: retrying(3_600_000, 1e9) }, undefined],
    [kafka, { onDeadLetter: 'park' }, undefined],
    [kafka, { concurrencyScope: 'group' }, 'groupConcurrency', /concurrencyScope: 'process'/],
    [redis, {}, undefined],
    [pubSub, {}, 'keyOrder', /order: 'none'/],
    [pubSub, { order: 'none' }, undefined],
    [pubSub, { keyed: false }, undefined],
    [pubSub, { keyed: false, order: 'channel' }, 'keyOrder', /order: 'none'/],
    [{ ...pubSub, keyOrder: 'key' }, {}, 'publishOrder', /order: 'none'/],
    [{ ...pubSub, keyOrder: 'key', publishOrder: 'kept', atMostOnce: { instead: 'Streams' } }, {}, 'atMostOnce', /broadcast: true.*Streams/],
    [{ ...pubSub, keyOrder: 'key', publishOrder: 'kept', atMostOnce: { instead: 'Streams' } }, { broadcast: true, from: 'end' }, undefined],
    [rabbit, {}, undefined],
    [rabbit, { stated: new Set(['from']) }, 'lateGroup', /from: 'end'/],
    [rabbit, { from: 'end', stated: new Set(['from']) }, undefined],
    [rabbit, { from: 1e12, stated: new Set(['from']) }, 'lateGroup', /from: 'end'/],
    [{ ...embedded, replay: false }, { from: 1e12, stated: new Set(['from']) }, 'replay', /log/],
    [rabbit, { handlers: retrying(1_000, 3_600_000) }, 'handlingMsMax', /1800000/],
    [classic, { order: 'none', onDeadLetter: 'park' }, 'parkingLot', /onDeadLetter: 'continue'/],
    [classic, { order: 'none', holdMaxMs: 20_000, handlers: retrying(60_000) }, 'parkingLot', /maxDelayMs to 20000/],
    [classic, { order: 'none', broadcast: true }, 'broadcast', /group of its own/],
  ]
  for (const [index, [facts, part, fact, fix]] of cases.entries()) {
    const { refusals } = compileRoute(facts, { ...needs, ...part })
    assert.deepEqual(
      refusals.map((refusal) => refusal.fact),
      fact === undefined ? [] : [fact],
      `case ${index}`,
    )
    if (fix !== undefined) assert.match(refusals[0]?.fix ?? '', fix, `case ${index}`)
  }
})

test('what is kept weaker is said, with the facts it follows from', () => {
  const level = (facts: TransportFacts, subject: string, part: Partial<RouteNeeds> = {}): string | undefined =>
    compileRoute(facts, { ...needs, ...part }).promises.find((promise) => promise.subject === subject)?.level
  assert.deepEqual(
    [embedded, kafka, redis, pubSub].map((facts) => level(facts, 'durable-accept')),
    ['kept', 'kept', 'weaker', 'none'],
  )
  assert.deepEqual(
    [embedded, rabbit].map((facts) => level(facts, 'start')),
    ['kept', 'weaker'],
  )
  assert.deepEqual(
    [embedded, classic].map((facts) => level(facts, 'delivery')),
    ['kept', 'weaker'],
  )
  assert.deepEqual(
    [embedded, classic].map((facts) => level(facts, 'retry')),
    ['kept', 'weaker'],
  )
  assert.deepEqual(
    [embedded, kafka].map((facts) => level(facts, 'reply', { requests: true })),
    ['kept', 'weaker'],
  )
  assert.equal(level({ ...embedded, parkingLot: 'process' }, 'dead-letter', { onDeadLetter: 'park' }), 'weaker')
  assert.deepEqual(
    compileSending(redis, true).map((promise) => [promise.subject, promise.level]),
    [
      ['durable-accept', 'weaker'],
      ['order', 'kept'],
    ],
  )
  for (const facts of [embedded, kafka, redis, pubSub, rabbit, classic]) {
    for (const promise of compileRoute(facts, needs).promises)
      assert.ok(promise.text.length > 20 && promise.facts.length > 0, `${facts.name} ${promise.subject}`)
  }
})

/** Memory with other facts: what the server would say. */
function stating(facts: Partial<TransportFacts>): TransportFactory {
  return {
    schemes: ['stated'],
    open: async (_, context) => {
      const transport = await memoryTransport.open('memory:', context)
      return new Proxy(transport, { get: (target, name) => (name === 'facts' ? { ...target.facts, ...facts } : bound(target, name as keyof Transport)) })
    },
  }
}

function bound(target: Transport, name: keyof Transport): unknown {
  const value = target[name]
  return typeof value === 'function' ? value.bind(target) : value
}

const Placed = event('shop.order.placed', typed<{ orderId: string }>(), { key: (order) => order.orderId })

test('the bus refuses to start, and starts once the option is given', async () => {
  const start = async (facts: Partial<TransportFacts>, options: EventHandlerOptions, retry = {}): Promise<void> => {
    await using bus = await connect({ service: 's', url: 'stated:x', transports: [stating(facts)], logger: false, retry })
    bus.on(Placed, () => {}, options)
    await bus.start()
  }
  const noLot = { parkingLot: 'none' } as const
  await assert.rejects(start(noLot, { onDeadLetter: 'park' }), { code: 'GUARANTEE_UNAVAILABLE', message: /parking lot.*onDeadLetter: 'continue'/ })
  await start(noLot, { onDeadLetter: 'continue' })
  await assert.rejects(start(noLot, { retry: { maxDelayMs: 120_000 } }), { code: 'GUARANTEE_UNAVAILABLE' })
  await assert.rejects(start(noLot, {}, { maxDelayMs: 120_000 }), { code: 'GUARANTEE_UNAVAILABLE' })
  await start(noLot, { retry: { maxDelayMs: 1_000 } })
  // A default shrinks to what the route can hold; a wish does not.
  await start({ ...noLot, handlingMsMax: 9_000 }, {})
  await assert.rejects(start({ ...noLot, handlingMsMax: 9_000 }, { retry: { maxDelayMs: 3_001 } }), { code: 'GUARANTEE_UNAVAILABLE' })
  await start({ lateGroup: 'end' }, {})
  await assert.rejects(start({ lateGroup: 'end' }, { from: 'start' }), { code: 'GUARANTEE_UNAVAILABLE' })
  await assert.rejects(
    start({ keyOrder: 'none', broadcast: false }, { broadcast: true }),
    (error: { code: string; details: { refusals: { fact: string }[] } }) => error.details.refusals.length === 2,
  )
})

test('a handler added to a running bus is refused where it is added, and changes nothing', async () => {
  await using bus = await connect({ service: 's', url: 'stated:x', transports: [stating({ parkingLot: 'none' })], logger: false })
  await bus.start()
  assert.throws(() => bus.on(Placed, () => {}, { onDeadLetter: 'park' }), { code: 'GUARANTEE_UNAVAILABLE' })
  await bus.on(Placed, () => {}).ready
})

test('a handler that cannot start on a running bus is logged; nobody has to look at ready', async () => {
  const lines: string[] = []
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: (message: unknown) => lines.push(String(message)) }
  const failing: TransportFactory = {
    schemes: ['stated'],
    open: async (_, context) => {
      const transport = await memoryTransport.open('memory:', context)
      return new Proxy(transport, {
        get: (target, name) => (name === 'consume' ? () => Promise.reject(new Error('no')) : bound(target, name as keyof Transport)),
      })
    },
  }
  await using bus = await connect({ service: 's', url: 'stated:x', transports: [failing], logger })
  await bus.start()
  const handle = bus.on(Placed, () => {})
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(lines, ['a handler that was added to a running bus could not start'])
  await assert.rejects(handle.ready)
})

test('options of a send that the transport cannot keep are UNSUPPORTED by name', async () => {
  const poor = { delayedSend: { delayMsMax: 900_000, keyed: false }, deduplicationMsMax: 300_000, replay: false, schedules: false } as const
  const Unkeyed = event('a.b', typed<number>())
  await using bus = await connect({ service: 's', url: 'stated:x', transports: [stating(poor)], logger: false })
  await assert.rejects(bus.publish(Unkeyed, 1, { delayMs: 900_001 }), { code: 'UNSUPPORTED', message: /900000/ })
  await bus.publish(Unkeyed, 1, { delayMs: 900_000 })
  await assert.rejects(bus.publish(Placed, { orderId: 'A' }, { delayMs: 1_000 }), { code: 'UNSUPPORTED', message: /key/ })
  await assert.rejects(bus.publish(Unkeyed, 1, { deduplicate: { key: 'k', windowMs: 300_001 } }), { code: 'UNSUPPORTED' })
  await assert.rejects(bus.replay(Unkeyed), { code: 'UNSUPPORTED' })
  await assert.rejects(
    bus.schedule('s', '* * * * *', { ...Unkeyed, kind: 'command' } as never, 1 as never),
    (error: { code: string }) => error.code === 'UNSUPPORTED' || error.code === 'CONTRACT_CONFLICT',
  )
})

test('where presence is not known a request runs into its time-out', async () => {
  const Ask = request('x.ask', typed<number>(), { reply: typed<number>() })
  await using bus = await connect({ service: 's', url: 'stated:x', transports: [stating({ presence: false })], logger: false })
  await assert.rejects(bus.request(Ask, 1, { timeoutMs: 30 }), { code: 'REQUEST_TIMEOUT' })
})
