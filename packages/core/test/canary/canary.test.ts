/**
 * Secrets put into URLs, configuration, headers, keys and bodies come out nowhere: no log line, no error with its stack,
 * details and causes, no dead letter's reason, no explanation, no diagnostics of the transport.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { type Bus, type ConnectOptions, command, connect, type EventContract, event, isSluiceError, request, type TransportFactory } from '../../src/index.ts'

const canary = 'c4n4ry-7f3a'

/** Everything that was told to anybody, as text. */
class Told {
  readonly texts: string[] = []
  readonly logger = Object.fromEntries(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [level, (...args: unknown[]) => this.add(args)]),
  ) as unknown as NonNullable<ConnectOptions['logger']>

  add(value: unknown): void {
    this.texts.push(inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null }), JSON.stringify(value) ?? '')
  }

  /** The call must fail with one of Sluice's errors; the error is told. */
  async failing(call: () => unknown): Promise<void> {
    try {
      await call()
    } catch (error) {
      assert.ok(isSluiceError(error), inspect(error))
      this.add(error)
      this.add([error.stack, String(error), error.message, error.details])
      return
    }
    assert.fail(`did not fail: ${call}`)
  }

  check(least: number): void {
    assert.ok(this.texts.length >= least, `only ${this.texts.length} texts were told: the test looks at nothing`)
    for (const text of this.texts) assert.ok(!text.includes(canary), text)
  }
}

test('the search itself finds a canary', () => {
  const told = new Told()
  told.add(new Error('x', { cause: { deep: [canary] } }))
  assert.throws(() => told.check(1))
})

test('URLs and configuration: unknown schemes, transports that fail with the URL in their error, routes, explain', async () => {
  const told = new Told()
  const { logger } = told
  const bad: TransportFactory = {
    schemes: ['bad'],
    open: (url) => Promise.reject(new Error(`connect ${url} refused`, { cause: Object.assign(new Error(`dns ${url}`), { code: 'ENOTFOUND' }) })),
  }
  for (const url of [
    `nosuch://app:${canary}@host/x`,
    `bad://app:${canary}@host/x`,
    `bad://${canary}@host`,
    `bad://host/?token=${canary}`,
    `bad://u:p/${canary}@host`,
  ]) {
    await told.failing(() => connect({ service: 'a', url, transports: [bad], logger }))
    await told.failing(() =>
      connect({ service: 'a', url: 'memory:', routes: { 'shop.**': url }, transports: [bad], logger }).then((bus) =>
        bus.publish(event('shop.a.b', z.object({})), {}),
      ),
    )
  }
  const bus = await connect({ service: 'a', url: `memory:${canary.slice(0, 0)}x?password=${canary}`, logger }).catch((error: unknown) => {
    told.add(error)
    return undefined
  })
  if (bus !== undefined) {
    await bus.start()
    told.add(bus.explain())
    told.add(String(bus.explain()))
    told.add(await bus.inspect())
    await bus.stop()
  }
  told.check(20)
})

test('what a transport reports, and what a filter throws, is logged without credentials', async () => {
  const told = new Told()
  const talking: TransportFactory = {
    schemes: ['talking'],
    open: (_, context) => {
      const url = `amqp://app:${canary}@host`
      context.report({ level: 'error', message: `lost ${url}`, details: { url, from: new Error(`reset by ${url}`) } })
      return Promise.reject(new Error(url))
    },
  }
  await told.failing(() => connect({ service: 'a', url: 'talking:', transports: [talking], logger: told.logger }))
  told.check(3)
})

async function withBus(told: Told, run: (bus: Bus) => Promise<void>): Promise<void> {
  const bus = await connect({ service: 'a', url: 'memory:', logger: told.logger })
  try {
    await run(bus)
  } finally {
    await bus.stop()
  }
}

test('bodies, keys, ids, headers, subjects and tags on their way in', async () => {
  const told = new Told()
  const contracts: readonly EventContract[] = [
    event(
      'shop.a.zod',
      z.strictObject({ id: z.string().min(50), n: z.number(), e: z.enum(['a', 'b']), u: z.union([z.literal(1), z.object({ x: z.number() })]) }),
    ),
    event(
      'shop.a.valibot',
      v.strictObject({ id: v.pipe(v.string(), v.minLength(50), v.startsWith('order-')), n: v.number(), e: v.picklist(['a', 'b']), u: v.literal('x') }),
    ),
    event('shop.a.arktype', type({ id: 'string > 50', n: 'number', e: "'a' | 'b'", u: '/^x+$/', '+': 'reject' })),
  ]
  const plain = event('shop.b.plain', z.looseObject({ id: z.string() }), { key: (data) => data.id })
  await withBus(told, async (bus) => {
    for (const contract of contracts)
      for (const data of [{ id: canary, n: canary, e: canary, u: canary }, canary, [canary], { id: { canary }, n: { x: [canary] }, e: 1, u: { x: canary } }])
        await told.failing(() => bus.publish(contract, data))
    const id = 'A1'
    for (const data of [
      { id: `${canary}\n` },
      { id, d: new Map([[canary, canary]]) },
      { id, d: 1n, c: canary },
      { id, d: `${canary}\ud800` },
      { id, big: canary.repeat(200_000) },
      { id, f: () => canary },
    ])
      await told.failing(() => bus.publish(plain, data))
    for (const options of [
      { headers: { note: `${canary}\r\nx: y` } },
      { headers: { 'ce-type': canary } },
      { key: `${canary}\0` },
      { id: `${canary}\n` },
      { subject: `${canary}\u0000` },
      { tags: [`${canary}\n`] },
      { traceparent: `${canary}\n` },
      { headers: { a: canary.repeat(10_000) } },
    ])
      await told.failing(() => bus.publish(plain, { id }, options))
  })
  told.check(50)
})

test('bodies on their way out: a schema that disagrees, an upcaster, a filter, a request; dead letters tell the reason without the data', async () => {
  const told = new Told()
  const sent = event('shop.c.sent', z.looseObject({ id: z.string() }), { key: (data) => data.id })
  const read = event('shop.c.sent', z.object({ id: z.string(), secret: z.string().max(3), n: z.number() }))
  const old = command('shop.d.old', z.looseObject({}), {})
  const now = command('shop.d.old', z.object({ secret: z.number() }))
  const ask = request('shop.e.ask', z.object({ secret: z.string() }), { reply: z.object({ n: z.number() }) })
  await withBus(told, async (bus) => {
    bus.on(read, () => undefined, { retry: { attempts: 1 } })
    bus.handle(now, () => undefined)
    bus.handle(ask, (question) => ({ n: question.secret }) as never, { retry: { attempts: 1 } })
    await bus.start()
    await bus.publish(sent, { id: 'A1', secret: canary, n: canary }, { headers: { note: canary } })
    await bus.send(old, { secret: canary })
    await told.failing(() => bus.request(ask, { secret: canary }, { timeoutMs: 2_000 }))
    for (let turn = 0; turn < 100 && (await bus.inspect()).reduce((sum, row) => sum + row.deadLetters, 0) < 3; turn++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    for (const contract of [read, now, ask]) {
      const dead = await bus.deadLetters(contract).list()
      assert.equal(dead.length, 1, contract.name)
      told.add(dead.map((letter) => letter.reason))
    }
    told.add(await bus.inspect())
    told.add(await bus.groups.list())
  })
  told.check(10)
})
