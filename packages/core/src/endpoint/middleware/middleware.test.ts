import assert from 'node:assert/strict'
import { test } from 'node:test'
import { event, typed } from '../../contract/index.ts'
import { createTestKit } from '../../testing/index.ts'

const Placed = event('shop.order.placed', typed<{ orderId: string }>(), { key: (order) => order.orderId })
const Noted = event('shop.order.noted', typed<{ text: string }>())

test('the first one is outermost, around send and around handle', async () => {
  await using kit = await createTestKit()
  const log: string[] = []
  for (const name of ['a', 'b']) {
    kit.bus.use({
      name,
      send: (draft, next) => {
        log.push(`${name} before ${draft.key}`)
        draft.headers[name] = draft.channel
        next()
        log.push(`${name} after`)
      },
      handle: async (run, next) => {
        log.push(`${name} in ${run.entries[0]?.message.headers[name]} ${run.context.group}`)
        await next()
        log.push(`${name} out`)
      },
    })
  }
  kit.bus.on(Placed, () => {
    log.push('handler')
  })
  await kit.bus.start()
  await kit.bus.publish(Placed, { orderId: 'A' })
  await kit.drained()
  assert.deepEqual(log, ['a before A', 'b before A', 'b after', 'a after', 'a in shop.order test', 'b in shop.order test', 'handler', 'b out', 'a out'])
})

test('a middleware refuses a send, or a run', async () => {
  await using kit = await createTestKit({ retry: { attempts: 1 } })
  kit.bus.use({
    send: (draft, next) => {
      if (draft.key === 'no') throw new Error('not allowed')
      next()
    },
    handle: (run, next) => {
      if (run.entries[0]?.key === 'bad') throw new Error('not yours')
      return next()
    },
  })
  kit.bus.on(Placed, () => {})
  await kit.bus.start()
  await assert.rejects(kit.bus.publish(Placed, { orderId: 'no' }), { message: 'not allowed' })
  await kit.bus.publish(Placed, { orderId: 'bad' })
  await kit.bus.publish(Placed, { orderId: 'good' })
  await kit.drained()
  assert.deepEqual(
    (await kit.bus.deadLetters(Placed).list()).map((letter) => letter.message.partitionkey),
    ['bad'],
  )
})

test('encoded and received: a message is encrypted on its way, and what cannot be read is dead-lettered', async () => {
  await using kit = await createTestKit({ retry: { attempts: 1 } })
  const turn = (text: string): string => [...text].map((char) => String.fromCharCode(char.charCodeAt(0) ^ 1)).join('')
  const reader = await kit.connect({ service: 'without-key' })
  kit.bus.use({
    encoded: (envelope) => ({ ...envelope, body: turn(envelope.body as string) }),
    received: (envelope) => ({ ...envelope, body: turn(envelope.body as string) }),
  })
  for (const bus of [kit.bus, reader]) bus.on(Placed, () => {})
  await Promise.all([kit.bus.start(), reader.start()])
  await kit.bus.publish(Placed, { orderId: 'A' })
  await kit.drained()
  assert.deepEqual(
    kit.handled(Placed).map((one) => [one.group, one.data]),
    [['test', { orderId: 'A' }]],
  )
  assert.deepEqual(
    (await reader.deadLetters(Placed).list()).map((letter) => letter.reason.code),
    ['UNDECODABLE'],
  )
})

test('data above the limit goes where a middleware puts it elsewhere on its way; without one it is refused before it is encoded', async () => {
  await using kit = await createTestKit()
  const elsewhere: string[] = []
  // An unpaired surrogate is found in what was encoded: here nothing is.
  const large = { text: `${'x'.repeat(2 * 1024 * 1024)}\ud800` }
  await assert.rejects(kit.bus.publish(Noted, large), { code: 'MESSAGE_TOO_LARGE' })
  kit.bus.use({
    encoded: (envelope) => ({ ...envelope, body: `"${elsewhere.push(envelope.body as string) - 1}"` }),
    received: (envelope) => ({ ...envelope, body: elsewhere[Number(JSON.parse(envelope.body as string))] ?? '' }),
  })
  kit.bus.on(Noted, () => {})
  await kit.bus.start()
  await kit.bus.publish(Noted, { text: large.text.slice(0, -1) })
  await kit.drained()
  assert.equal(kit.handled(Noted)[0]?.data.text.length, 2 * 1024 * 1024)
})

test("one that calls next twice, never, or changes a message's identity is refused", async () => {
  for (const middleware of [
    {
      send: (_: unknown, next: () => void) => {
        next()
        next()
      },
    },
    { send: () => {} },
    { encoded: <E extends object>(envelope: E) => ({ ...envelope, partitionkey: 'other' }) },
  ]) {
    await using kit = await createTestKit()
    kit.bus.use(middleware)
    await assert.rejects(kit.bus.publish(Placed, { orderId: 'A' }), { code: 'INVALID_OPTION' })
  }
  await using kit = await createTestKit({ retry: { attempts: 1 } })
  kit.bus.use({
    handle: async (_, next) => {
      await next()
      await next()
    },
  })
  kit.bus.on(Placed, () => {})
  await kit.bus.start()
  await kit.bus.publish(Placed, { orderId: 'A' })
  await kit.drained()
  assert.equal(kit.handled().length, 1)
  assert.equal((await kit.bus.deadLetters(Placed).list()).length, 1)
})
