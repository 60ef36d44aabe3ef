import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import vm from 'node:vm'
import { classifyError, describeError, type ErrorCode, errorCodes, fingerprintOf, isSluiceError, SluiceError, toError } from './index.ts'

/** Whatever somebody may throw, including values that fight back. */
function hostileValues(): unknown[] {
  const throwing = new Proxy(
    {},
    {
      get: () => {
        throw new Error('get')
      },
      has: () => {
        throw new Error('has')
      },
      getPrototypeOf: () => {
        throw new Error('proto')
      },
      ownKeys: () => {
        throw new Error('keys')
      },
    },
  )
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const revokedFunction = Proxy.revocable(() => 1, {})
  revokedFunction.revoke()
  const getters = Object.defineProperties(new Error('x'), {
    message: {
      get: () => {
        throw new Error('message')
      },
    },
    stack: {
      get: () => {
        throw new Error('stack')
      },
    },
    name: {
      get: () => {
        throw new Error('name')
      },
    },
    code: {
      get: () => {
        throw new Error('code')
      },
    },
    cause: {
      get: () => {
        throw new Error('cause')
      },
    },
  })
  const circular: Error & { cause?: unknown } = new Error('circular')
  circular.cause = circular
  const odd = Object.assign(new Error('odd'), { name: 7, code: { a: 1 }, stack: 9 })
  return [
    undefined,
    null,
    0,
    Number.NaN,
    1n,
    '',
    'text',
    true,
    Symbol('s'),
    () => 1,
    class Foo {},
    {},
    [],
    Object.create(null),
    new Date(Number.NaN),
    throwing,
    revoked.proxy,
    revokedFunction.proxy,
    getters,
    circular,
    odd,
    {
      toString: () => {
        throw new Error('toString')
      },
    },
    { [Symbol.toPrimitive]: () => ({}) },
    { name: 'SluiceError', code: 'UNROUTED' },
    Object.create(SluiceError.prototype),
    vm.runInNewContext('new TypeError("other realm")'),
    '\ud800 lone',
    'a'.repeat(1_000_000),
    Object.assign(new Error('e'.repeat(1_000_000)), { stack: `Error\n${'    at x (y:1:1)\n'.repeat(100_000)}` }),
    new AggregateError([new Error('a')], 'several'),
  ]
}

test('no thrown value makes the classifiers throw, and what they return is bounded', () => {
  for (const value of hostileValues()) {
    assert.equal(typeof isSluiceError(value), 'boolean')
    assert.equal(typeof isSluiceError(value, 'UNROUTED'), 'boolean')
    assert.ok(toError(value) !== undefined)
    const { code, scope } = classifyError(value)
    assert.ok(code.length > 0 && code.length <= 64 && ['call', 'message', 'connection'].includes(scope))
    assert.match(fingerprintOf(value), /^[0-9a-f]{16}$/)
    const record = describeError(value)
    assert.ok(record.code === code && record.name.length <= 128 && record.message.length <= 2_048 && (record.stack?.length ?? 0) <= 8_192)
    JSON.parse(JSON.stringify(record))
    assert.ok(!new SluiceError('HANDLER_FAILED', 'x', { cause: value }).message.includes('undefined'))
  }
})

test('an error says its code, what happened and what to do; the stack begins with its name', () => {
  const error = new SluiceError('UNROUTED', 'it is late', { fix: 'Be earlier', details: { id: 'a' }, cause: new RangeError('clock') })
  assert.equal(error.message, 'UNROUTED: it is late. Be earlier')
  assert.match(error.stack ?? '', /^SluiceError: UNROUTED: it is late\. Be earlier\n/)
  assert.match(inspect(error), /^SluiceError: UNROUTED: it is late/)
  assert.equal(error.scope, 'message')
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    name: 'SluiceError',
    code: 'UNROUTED',
    message: error.message,
    fix: 'Be earlier',
    details: { id: 'a' },
    cause: { name: 'RangeError', message: 'clock' },
  })
  assert.deepEqual(Object.keys(error), ['code', 'fix', 'details'])
  assert.equal('cause' in new SluiceError('UNROUTED', 'x'), false)
})

test('one full stop stands between what happened and what to do', () => {
  for (const text of ['it is late', 'it is late.'])
    assert.equal(new SluiceError('UNROUTED', text, { fix: 'Be earlier' }).message, 'UNROUTED: it is late. Be earlier')
})

test('isSluiceError works across copies of the library, and is not fooled by a name', async () => {
  const copy = (await import(`./error.ts?copy=${Date.now()}`)) as typeof import('./error.ts')
  assert.notEqual(copy.SluiceError, SluiceError)
  const foreign = new copy.SluiceError('UNROUTED', 'late')
  assert.ok(isSluiceError(foreign) && isSluiceError(foreign, 'UNROUTED') && !isSluiceError(foreign, 'ABORTED'))
  assert.ok(copy.isSluiceError(new SluiceError('ABORTED', 'x')))
  assert.equal(classifyError(foreign).code, 'UNROUTED')
  assert.equal(isSluiceError(Object.assign(new Error('x'), { name: 'SluiceError', code: 'UNROUTED' })), false)
})

test('a code of a newer version of the library has the smallest blast radius', () => {
  assert.equal(new SluiceError('FROM_THE_FUTURE' as ErrorCode, 'x').scope, 'message')
  assert.deepEqual(classifyError(new SluiceError('FROM_THE_FUTURE' as ErrorCode, 'x')), { code: 'FROM_THE_FUTURE', scope: 'message' })
})

test('codes come from Sluice, else from the error, else from its name', () => {
  assert.deepEqual(classifyError(new SluiceError('STORE_FULL', 'x')), { code: 'STORE_FULL', scope: 'connection' })
  assert.deepEqual(classifyError(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), { code: 'ECONNREFUSED', scope: 'message' })
  assert.equal(classifyError(new TypeError('x')).code, 'TypeError')
  assert.equal(classifyError('x').code, 'Error')
  assert.equal(classifyError(Object.assign(new Error('x'), { code: 'a\r\nb' })).code, 'Error')
})

test('a fingerprint is equal for the same fault and differs between faults', () => {
  const reserve = (id: string): Error => new Error(`no stock for ${id}`)
  const charge = (id: string): Error => new Error(`no money for ${id}`)
  assert.equal(fingerprintOf(reserve('A1')), fingerprintOf(reserve('B2')))
  assert.notEqual(fingerprintOf(reserve('A1')), fingerprintOf(charge('A1')))
  assert.notEqual(fingerprintOf(reserve('A1')), fingerprintOf(Object.assign(reserve('A1'), { code: 'E1' })))
  const at = (stack: string): string => fingerprintOf(Object.assign(new Error('x'), { stack }))
  const frame = (folder: string, row: number): string =>
    `Error: x\n    at node:internal/a:1:1\n    at query (${folder}/node_modules/pg/index.js:${row}:9)\n    at Stock.reserve (${folder}/src/stock.ts:${row}:3)`
  assert.equal(at(frame('/srv/one', 10)), at(frame('file:///home/two', 99)), 'folders and lines move, the fault stays')
  assert.equal(at(frame('C:\\app', 10).replaceAll('/', '\\')), at(frame('/srv', 1)))
  assert.notEqual(at(frame('/srv', 1)), at(frame('/srv', 1).replace('reserve', 'release')))
  assert.notEqual(at('Error: x\n    at /srv/src/a.ts:1:1'), at('Error: x\n    at /srv/src/a.ts:2:1'), 'without a function name the line tells')
})

test('a description holds the causes, and neither control characters nor the text of thrown objects', () => {
  const record = describeError(new Error('\u001b[31mred\u0000\u202e', { cause: new TypeError('inner', { cause: 'root' }) }))
  assert.match(record.stack ?? '', /caused by TypeError: inner\ncaused by string: root$/)
  assert.equal(record.message, ' [31mred  ')
  assert.ok(!JSON.stringify(describeError({ password: 'canary', toString: () => 'canary' })).includes('canary'))
})

test('every code has a scope and a summary of one line', () => {
  for (const [code, { scope, summary }] of Object.entries(errorCodes)) {
    assert.match(code, /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/)
    assert.ok(['call', 'message', 'connection'].includes(scope), code)
    assert.ok(summary.length > 10 && summary.length <= 120 && !/[.\n]$/.test(summary), code)
  }
})
