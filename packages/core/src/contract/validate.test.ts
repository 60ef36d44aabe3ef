import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { isSluiceError, type SluiceError } from '../errors/index.ts'
import {
  type Checked,
  type Contract,
  checkDelivered,
  checkInput,
  checkReplyInput,
  checkReplyOutput,
  command,
  event,
  jsonSchema,
  keyOf,
  request,
  type StandardSuccess,
  typed,
} from './index.ts'

function sync(checked: Checked): unknown {
  assert.ok(!(checked instanceof Promise), 'a synchronous schema makes no promise')
  return checked.value
}

function failure(run: () => unknown): SluiceError {
  try {
    run()
  } catch (error) {
    assert.ok(isSluiceError(error), String(error))
    return error
  }
  assert.fail('did not throw')
}

async function rejection(checked: Checked): Promise<SluiceError> {
  const error: unknown = await Promise.resolve(checked).then(
    () => assert.fail('did not reject'),
    (e) => e,
  )
  assert.ok(isSluiceError(error), String(error))
  return error
}

const zodOrder = z.object({ orderId: z.string(), total: z.string().transform(Number), currency: z.string().default('EUR') })
const valibotOrder = v.object({ orderId: v.string(), total: v.pipe(v.string(), v.transform(Number)), currency: v.optional(v.string(), 'EUR') })
const arktypeOrder = type({ orderId: 'string', total: 'string.numeric.parse', currency: "string = 'EUR'" })

for (const [library, contract] of [
  ['zod', event('shop.order.placed', zodOrder, { key: (o) => `${o.currency}-${o.total.toFixed(0)}` })],
  ['valibot', event('shop.order.placed', valibotOrder, { key: (o) => `${o.currency}-${o.total.toFixed(0)}` })],
  ['arktype', event('shop.order.placed', arktypeOrder, { key: (o) => `${o.currency}-${o.total.toFixed(0)}` })],
] as const) {
  test(`${library}: input is checked without a promise and left as it is, output has transforms and defaults, the key reads the output`, () => {
    // Not frozen: arktype copies the input with its property flags before it transforms it, and so refuses frozen ones.
    const input = { orderId: 'A1', total: '42' }
    const output = sync(checkInput(contract, input))
    assert.deepEqual(output, { orderId: 'A1', total: 42, currency: 'EUR' })
    assert.deepEqual(input, { orderId: 'A1', total: '42' })
    assert.equal(keyOf(contract, output), 'EUR-42')
    assert.deepEqual(sync(checkDelivered(contract, input, undefined)), output)
  })

  test(`${library}: a violation says where and what was expected, and never what was found`, () => {
    const secret = 'canary-4711-secret'
    for (const data of [
      { orderId: 'A1', total: { secret } },
      { orderId: { a: secret }, total: '1', currency: 7_777_777 },
      secret,
      null,
      [secret],
      { orderId: 1, total: secret },
    ]) {
      const error = failure(() => checkInput(contract, data))
      assert.equal(error.code, 'VALIDATION_FAILED')
      const told = `${error.message}${error.stack}${JSON.stringify(error.details)}`
      assert.ok(!told.includes('canary') && !told.includes('7777777'), told)
      const issues = error.details.issues as { path: string; message: string }[]
      assert.ok(issues.length > 0 && issues.every((issue) => issue.message.length > 0))
    }
    const at = failure(() => checkInput(contract, { orderId: 7, total: '1' })).details.issues as { path: string; message: string }[]
    assert.deepEqual(
      at.map((i) => i.path),
      ['orderId'],
    )
    assert.match(at[0]?.message ?? '', /string/)
  })
}

for (const [library, schema] of [
  ['zod', z.object({ sku: z.string().refine(async (sku) => sku !== 'gone', 'is no longer sold') })],
  [
    'valibot',
    v.objectAsync({
      sku: v.pipeAsync(
        v.string(),
        v.checkAsync(async (sku) => sku !== 'gone', 'is no longer sold'),
      ),
    }),
  ],
] as const) {
  test(`${library}: an asynchronous schema gives a promise, resolved or rejected like the others`, async () => {
    const contract: Contract = event('shop.stock.counted', schema as z.ZodType<{ sku: string }>)
    const good = checkInput(contract, { sku: 'A' })
    assert.ok(good instanceof Promise)
    assert.deepEqual((await good).value, { sku: 'A' })
    const bad = await rejection(checkDelivered(contract, { sku: 'gone' }, 1))
    assert.equal(bad.code, 'VALIDATION_FAILED')
    assert.match(bad.message, /sku: is …? ?no longer sold|sku: is no longer sold/)
  })
}

test('messages of refinements are kept, without the values they quote', () => {
  const schema = z
    .object({ iban: z.string() })
    .refine((o) => o.iban.length > 40, { error: (issue) => `IBAN ${(issue.input as { iban: string }).iban} is too short` })
  const error = failure(() => checkInput(event('a.b', schema), { iban: 'DE89370400440532013000' }))
  assert.match(error.message, /IBAN … is too short/)
  const parts = v.object({
    pin: v.pipe(
      v.string(),
      v.check((p) => p === 'x'),
    ),
  })
  assert.ok(!failure(() => checkInput(event('a.b', parts), { pin: 'hunter22' })).message.includes('hunter22'))
})

test('arktype quotes what it found even in the expectation of a union; it is taken out', () => {
  const schema = type({ status: "'open' | 'closed'", size: "number > 5 | 'all'" })
  const error = failure(() => checkInput(event('a.b', schema), { status: 'canary "quoted"\n', size: 'canary' }))
  assert.ok(!JSON.stringify([error.message, error.details]).includes('canary'), error.message)
  assert.match(error.message, /status: expected .*"open"/)
})

test('data too large to scrub a message of: the message is left out', () => {
  const schema = z.object({ rows: z.array(z.string()) }).refine(() => false, { error: (i) => (i.input as { rows: string[] }).rows.at(-1) ?? '' })
  const error = failure(() => checkInput(event('a.b', schema), { rows: Array.from({ length: 5_000 }, (_, i) => `secret-row-${i}`) }))
  assert.ok(!error.message.includes('secret-row'))
})

test('at most ten issues are listed, the rest is counted; hostile paths and messages stay short and on one line', () => {
  const list = event('a.b', z.array(z.number()))
  const error = failure(() => checkInput(list, Array(500).fill('x')))
  assert.equal((error.details.issues as unknown[]).length, 10)
  assert.equal(error.details.issueCount, 500)
  assert.match(error.message, /and 490 more$/)
  const record = event('a.b', z.record(z.string(), z.number()))
  const hostile = failure(() => checkInput(record, { [`\u001b[31m\r\n${'x'.repeat(10_000)}`]: 'no' }))
  assert.ok(hostile.message.length < 500 && /^[\x20-\x7e…]*$/.test(hostile.message), hostile.message)
})

test('nested paths read like code', () => {
  const schema = z.object({ lines: z.array(z.object({ 'stock-code': z.string() })) })
  const error = failure(() => checkInput(event('a.b', schema), { lines: [{ 'stock-code': 'a' }, { 'stock-code': 1 }] }))
  assert.equal((error.details.issues as { path: string }[])[0]?.path, 'lines[1]["stock-code"]')
})

test('a schema that throws or answers nonsense is a validation failure with its cause', async () => {
  const schema = (validate: () => unknown): never => ({ '~standard': { version: 1, vendor: 'test', validate } }) as never
  const boom = new Error('boom')
  assert.equal(
    failure(() =>
      checkInput(
        event(
          'a.b',
          schema(() => {
            throw boom
          }),
        ),
        1,
      ),
    ).cause,
    boom,
  )
  assert.equal(
    (
      await rejection(
        checkInput(
          event(
            'a.b',
            schema(() => Promise.reject(boom)),
          ),
          1,
        ),
      )
    ).cause,
    boom,
  )
  for (const nonsense of [undefined, null, 1, 'ok', { issues: 'x' }, { issues: [null] }, {}]) {
    assert.equal(
      failure(() =>
        checkInput(
          event(
            'a.b',
            schema(() => nonsense),
          ),
          1,
        ),
      ).code,
      'VALIDATION_FAILED',
      JSON.stringify(nonsense),
    )
    assert.equal(
      (
        await rejection(
          checkInput(
            event(
              'a.b',
              schema(async () => nonsense),
            ),
            1,
          ),
        )
      ).code,
      'VALIDATION_FAILED',
      JSON.stringify(nonsense),
    )
  }
  const throwing = {
    get issues(): never {
      throw boom
    },
  }
  assert.equal(
    failure(() =>
      checkInput(
        event(
          'a.b',
          schema(() => throwing),
        ),
        1,
      ),
    ).code,
    'VALIDATION_FAILED',
  )
  assert.deepEqual(
    sync(
      checkInput(
        event(
          'a.b',
          schema(() => ({ value: undefined })),
        ),
        1,
      ),
    ),
    undefined,
  )
})

test('typed checks nothing', () => {
  const contract = command('a.b', typed<{ a: string }>(), { key: (o) => o.a })
  assert.equal(sync(checkInput(contract, 7)), 7)
})

test('jsonSchema takes a validator that returns a boolean with errors (ajv), a list, or promises of them', async () => {
  const schema = { type: 'object', required: ['sku'] }
  const ajvLike = Object.assign(
    (data: unknown): boolean => {
      const ok = typeof (data as { sku?: unknown }).sku === 'string'
      ajvLike.errors = ok ? null : [{ instancePath: '/sku/0/a~1b', keyword: 'type', message: 'must be string' }]
      return ok
    },
    { errors: null as null | { instancePath: string; keyword: string; message?: string }[] },
  )
  const contract = event('a.b', jsonSchema<{ sku: string }>(schema, ajvLike))
  assert.deepEqual(sync(checkInput(contract, { sku: 'A' })), { sku: 'A' })
  assert.match(failure(() => checkInput(contract, { sku: 1 })).message, /sku\[0\]\["a\/b"\]: must be string/)

  const listing = event(
    'a.b',
    jsonSchema<number>(schema, (data) => (typeof data === 'number' ? [] : [{ message: 'must be a number', path: ['x'] }])),
  )
  assert.equal(sync(checkInput(listing, 1)), 1)
  assert.match(failure(() => checkInput(listing, 'one')).message, /x: must be a number/)

  const silent = event(
    'a.b',
    jsonSchema<number>(schema, () => false),
  )
  assert.match(failure(() => checkInput(silent, 1)).message, /does not satisfy the JSON Schema/)
  const late = event(
    'a.b',
    jsonSchema<number>(
      schema,
      async (data) => data === 1 || Promise.reject(Object.assign(new Error('validation failed'), { errors: [{ instancePath: '', message: 'must be 1' }] })),
    ),
  )
  assert.deepEqual(await checkInput(late, 1), { value: 1 })
  assert.match((await rejection(checkInput(late, 2))).message, /must be 1/)
  const broken = event(
    'a.b',
    jsonSchema<number>(schema, async () => Promise.reject(new Error('no network'))),
  )
  assert.equal(((await rejection(checkInput(broken, 2))).cause as Error).message, 'no network')
  for (const args of [
    [null, ajvLike],
    [schema, undefined],
  ] as const)
    assert.equal(failure(() => jsonSchema(args[0] as never, args[1] as never)).code, 'INVALID_OPTION')
})

test('jsonSchema takes validators that ajv compiled, synchronous and asynchronous ones', async () => {
  interface Order {
    orderId: string
    lines: { sku: string; quantity: number }[]
  }
  const line = { type: 'object', required: ['sku', 'quantity'], properties: { sku: { type: 'string' }, quantity: { type: 'integer', minimum: 1 } } }
  const schema = { type: 'object', required: ['orderId', 'lines'], properties: { orderId: { type: 'string' }, lines: { type: 'array', items: line } } }
  const contract = event('shop.order.placed', jsonSchema<Order>(schema, new Ajv({ allErrors: true }).compile(schema)), { key: (o) => o.orderId })
  const good = { orderId: 'A1', lines: [{ sku: 'a', quantity: 1 }] }
  assert.equal(keyOf(contract, sync(checkInput(contract, good))), 'A1')
  const error = failure(() => checkInput(contract, { orderId: 'A1', lines: [{ sku: 'canary', quantity: 0 }, { quantity: 'canary' }] }))
  assert.match(error.message, /lines\[0\]\.quantity: must be >= 1; lines\[1\]: must have required property 'sku'; lines\[1\]\.quantity: must be integer/)
  assert.ok(!error.message.includes('canary'))
  const { quantity, ...rest } = { quantity: 1, ...good }
  assert.deepEqual([quantity, sync(checkDelivered(contract, rest, 1))], [1, good])

  const late = { $async: true, ...schema }
  const asynchronous = event('shop.order.placed', jsonSchema<Order>(late, new Ajv().compile(late)))
  assert.deepEqual(await checkInput(asynchronous, good), { value: good })
  assert.match((await rejection(checkInput(asynchronous, { orderId: 1, lines: [] }))).message, /orderId: must be string/)
})

test('upcasters run as a chain before validation', () => {
  const contract = event('a.b', z.object({ name: z.object({ first: z.string(), last: z.string() }), active: z.boolean() }), {
    version: 3,
    upcast: {
      1: (old: { fullName: string }) => ({ first: old.fullName.split(' ')[0], last: old.fullName.split(' ')[1] }),
      2: (old: { first: string; last: string }) => ({ name: old, active: true }),
    },
  })
  const now = { name: { first: 'Ada', last: 'Lovelace' }, active: true }
  assert.deepEqual(sync(checkDelivered(contract, { fullName: 'Ada Lovelace' }, undefined)), now)
  assert.deepEqual(sync(checkDelivered(contract, { fullName: 'Ada Lovelace' }, 1)), now)
  assert.deepEqual(sync(checkDelivered(contract, { first: 'Ada', last: 'Lovelace' }, 2)), now)
  assert.deepEqual(sync(checkDelivered(contract, now, 3)), now)
  assert.equal(failure(() => checkDelivered(contract, now, 4)).code, 'NEWER_VERSION')
  assert.equal(failure(() => checkDelivered(contract, { first: 'Ada' }, 2)).code, 'VALIDATION_FAILED')
  const failed = failure(() => checkDelivered(contract, {}, 1))
  assert.equal(failed.code, 'UPCAST_FAILED')
  assert.ok(failed.cause instanceof TypeError)
})

test('a gap in the chain, and versions that nobody wrote, are NO_UPCAST', () => {
  const contract = event('a.b', typed<object>(), { version: 3, upcast: { 1: (d) => d } })
  assert.equal(failure(() => checkDelivered(contract, {}, 1)).code, 'NO_UPCAST')
  assert.equal(failure(() => checkDelivered(contract, {}, 2)).code, 'NO_UPCAST')
  for (const forged of [0, -1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, -1e308])
    assert.equal(failure(() => checkDelivered(contract, {}, forged)).code, 'NO_UPCAST', String(forged))
  for (const forged of [4, 1e308, Number.POSITIVE_INFINITY]) assert.equal(failure(() => checkDelivered(contract, {}, forged)).code, 'NEWER_VERSION')
  for (const forged of ['1', 'constructor', {}] as unknown as number[]) assert.equal(failure(() => checkDelivered(contract, {}, forged)).code, 'NO_UPCAST')
})

test('a key is a string or undefined; a key function that throws or returns something else is told without the data', () => {
  const keyed = (key: (o: never) => unknown): Contract => event('a.b', typed<never>(), { key: key as never })
  assert.equal(keyOf(event('a.b', typed<object>()), {}), undefined)
  assert.equal(
    keyOf(
      keyed(() => undefined),
      {},
    ),
    undefined,
  )
  assert.equal(
    keyOf(
      keyed(() => 'k'),
      {},
    ),
    'k',
  )
  for (const bad of ['', null, 7, {}, 'x'.repeat(256), 'canary\n']) {
    const error = failure(() =>
      keyOf(
        keyed(() => bad),
        {},
      ),
    )
    assert.equal(error.code, 'INVALID_ATTRIBUTE')
    assert.ok(!error.message.includes('canary') && error.message.includes('a.b'))
  }
  const boom = new Error('boom')
  assert.equal(
    failure(() =>
      keyOf(
        keyed(() => {
          throw boom
        }),
        {},
      ),
    ).cause,
    boom,
  )
})

test('replies are checked both ways', () => {
  const quote = request('shop.price.quote', typed<{ sku: string }>(), { reply: z.object({ cents: z.string().transform(Number) }) })
  assert.deepEqual(sync(checkReplyInput(quote, { cents: '7' })), { cents: 7 })
  assert.deepEqual(sync(checkReplyOutput(quote, { cents: '7' })), { cents: 7 })
  assert.match(failure(() => checkReplyInput(quote, { cents: 7 })).message, /the reply of shop\.price\.quote/)
})

test('a thenable of another library counts as a promise', async () => {
  const success: StandardSuccess<number> = { value: 1 }
  // biome-ignore lint/suspicious/noThenProperty: a foreign thenable is what is tested
  const foreign = { then: (resolve: (value: unknown) => void) => resolve(success) }
  const contract = event('a.b', { '~standard': { version: 1, vendor: 'test', validate: () => foreign as never } })
  assert.deepEqual(await checkInput(contract, 0), success)
})

test('a key that cannot be one: the error says what is wrong with it, and never the key', () => {
  const secret = 'canary-4711-secret\n'
  const contract = event('a.b', typed<{ key: unknown }>(), { key: (data) => data.key as string })
  const message = (key: unknown): string => failure(() => keyOf(contract, { key })).message
  assert.match(message(5), /the key function of a\.b returned no usable key: the key is of type number, not a string\. A key is a string of/)
  assert.match(message(null), /: the key is null, not a string\./)
  assert.match(message(''), /: the key is empty\./)
  assert.match(message(secret), /: the key has control characters or line breaks\./)
  assert.ok(!message(secret).includes('canary'))
})
