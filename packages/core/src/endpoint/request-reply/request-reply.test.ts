import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { command, request, typed } from '../../contract/index.ts'
import { Reject } from '../../policy/index.ts'
import { createTestKit } from '../../testing/index.ts'
import type { SluiceBus } from '../bus/bus.ts'

const Quote = request('shop.quote', typed<{ sku: string }>(), { reply: z.object({ price: z.number(), until: z.string().transform((text) => new Date(text)) }) })

test("a request resolves to the reply's output; replies find their requester among many", async () => {
  await using kit = await createTestKit({ service: 'client' })
  const server = await kit.connect({ service: 'server' })
  server.handle(Quote, async ({ sku }) => {
    await new Promise((resolve) => setImmediate(resolve))
    return { price: Number(sku), until: '2026-01-02T00:00:00Z' }
  })
  await server.start()
  const replies = await Promise.all(Array.from({ length: 50 }, (_, i) => kit.bus.request(Quote, { sku: `${i}` })))
  assert.deepEqual(
    replies.map((reply) => reply.price),
    Array.from({ length: 50 }, (_, i) => i),
  )
  assert.deepEqual(replies[0]?.until, new Date('2026-01-02T00:00:00Z'))
  assert.equal((await kit.bus.inspect()).filter((row) => row.channel !== 'shop.quote').length, 0, 'reply channels are not listed')
})

test('one reply channel an instance, made with the first request, gone with the bus', async () => {
  const kit = await createTestKit({ service: 'client' })
  const server = await kit.connect({ service: 'server' })
  const channels = new Set<string | undefined>()
  server.handle(Quote, (_, { message }) => {
    channels.add(message.replyto)
    return { price: 1, until: '2026-01-02T00:00:00Z' }
  })
  await server.start()
  for (let i = 0; i < 3; i++) await kit.bus.request(Quote, { sku: 'x' })
  assert.deepEqual([...channels], [`sluice.reply.${kit.bus.instanceId}`])
  await kit.stop()
})

test('nobody there: NO_HANDLER at once', async () => {
  await using kit = await createTestKit()
  await assert.rejects(kit.bus.request(Quote, { sku: 'x' }), { code: 'NO_HANDLER' })
})

test('no reply in time: REQUEST_TIMEOUT; the late one is counted', async () => {
  await using kit = await createTestKit({ service: 'client' })
  const server = await kit.connect({ service: 'server' })
  let answer: (() => void) | undefined
  server.handle(Quote, async () => {
    await new Promise<void>((resolve) => {
      answer = resolve
    })
    return { price: 1, until: '2026-01-02T00:00:00Z' }
  })
  await server.start()
  const call = kit.bus.request(Quote, { sku: 'x' }, { timeoutMs: 1_000 })
  const rejected = assert.rejects(call, { code: 'REQUEST_TIMEOUT' })
  await kit.advance(900)
  assert.ok(answer !== undefined)
  await kit.advance(200)
  await rejected
  answer?.()
  await kit.drained()
  assert.equal((kit.bus as SluiceBus).lateReplies, 1)
})

test("a reply whose requester is gone is counted by the handler's bus, and is no error of the handler", async () => {
  await using kit = await createTestKit({ service: 'server' })
  const client = await kit.connect({ service: 'client' })
  let answer: (() => void) | undefined
  kit.bus.handle(Quote, async () => {
    await new Promise<void>((resolve) => {
      answer = resolve
    })
    return { price: 1, until: '2026-01-02T00:00:00Z' }
  })
  await kit.bus.start()
  const call = assert.rejects(client.request(Quote, { sku: 'x' }), { code: 'BUS_STOPPED' })
  await kit.advance(10)
  await client.stop()
  await call
  answer?.()
  await kit.drained()
  assert.equal((kit.bus as SluiceBus).lateReplies, 1)
  await kit.assertNoDeadLetters()
})

test('the handler gives up: REQUEST_REJECTED with its error, after its retries', async () => {
  await using kit = await createTestKit({ service: 'client' })
  const server = await kit.connect({ service: 'server' })
  let calls = 0
  server.handle(
    Quote,
    ({ sku }) => {
      calls++
      if (sku === 'gone') throw new Reject('no such product')
      throw new RangeError('price list broken')
    },
    { retry: { attempts: 2, minDelayMs: 10 } },
  )
  await server.start()
  await assert.rejects(kit.bus.request(Quote, { sku: 'gone' }), { code: 'REQUEST_REJECTED', message: /no such product/ })
  assert.equal(calls, 1)
  const call = assert.rejects(
    kit.bus.request(Quote, { sku: 'x' }),
    (error: Error & { cause: Error }) => error.message.includes('price list broken') && error.cause.message.includes('price list broken'),
  )
  await kit.advance(1_000)
  await call
  assert.equal(calls, 3)
  assert.equal((await server.deadLetters(Quote).list()).length, 2)
})

test("a reply that its schema refuses fails the handler, not the requester's process", async () => {
  await using kit = await createTestKit({ service: 'client' })
  kit.bus.handle(Quote, () => ({ price: 'x' }) as never, { retry: { attempts: 1 } })
  await kit.bus.start()
  await assert.rejects(kit.bus.request(Quote, { sku: 'x' }), { code: 'REQUEST_REJECTED', message: /VALIDATION_FAILED/ })
})

test('signal: ABORTED, before and while waiting', async () => {
  await using kit = await createTestKit()
  kit.bus.handle(Quote, () => new Promise(() => {}))
  await kit.bus.start()
  await assert.rejects(kit.bus.request(Quote, { sku: 'x' }, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
  const abort = new AbortController()
  const call = kit.bus.request(Quote, { sku: 'x' }, { signal: abort.signal })
  await kit.advance(10)
  abort.abort()
  await assert.rejects(call, { code: 'ABORTED' })
})

test('stop rejects what waits; a request from a handler works and carries the conversation', async () => {
  const kit = await createTestKit({ service: 'client' })
  const server = await kit.connect({ service: 'server' })
  const Ask = command('client.ask', typed<{ sku: string }>())
  const seen: unknown[] = []
  server.handle(Quote, async ({ sku }, { message }) => {
    if (sku === 'hang') await new Promise(() => {})
    seen.push(message.correlationid)
    return { price: 3, until: '2026-01-02T00:00:00Z' }
  })
  kit.bus.handle(Ask, async ({ sku }, context) => {
    seen.push((await context.request(Quote, { sku })).price)
  })
  await Promise.all([server.start(), kit.bus.start()])
  const { id } = await kit.bus.send(Ask, { sku: 'x' })
  await kit.drained()
  assert.deepEqual(seen, [id, 3])
  const hanging = assert.rejects(kit.bus.request(Quote, { sku: 'hang' }), { code: 'BUS_STOPPED' })
  await kit.advance(10)
  await kit.stop()
  await hanging
})

test('the number of waiting requests is bounded', async () => {
  await using kit = await createTestKit({ limits: { pendingRequestsMax: 2 } })
  kit.bus.handle(Quote, () => new Promise(() => {}))
  await kit.bus.start()
  const two = [kit.bus.request(Quote, { sku: 'a' }), kit.bus.request(Quote, { sku: 'b' })].map((call) => call.catch(() => {}))
  await kit.advance(10)
  await assert.rejects(kit.bus.request(Quote, { sku: 'c' }), { code: 'BACKPRESSURE' })
  await kit.advance(31_000)
  await Promise.all(two)
})
