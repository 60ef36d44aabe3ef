import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import vm from 'node:vm'
import { randomJson } from '../../../test/vectors/random.ts'
import { seededRandom } from '../../clock/index.ts'
import { isSluiceError, SluiceError } from '../../errors/index.ts'
import { decodeJson } from './decode.ts'
import { encodeJson } from './encode.ts'

interface ParsingCase {
  readonly name: string
  readonly expect: string
  readonly text?: string
  readonly base64?: string
}

const parsing = (
  JSON.parse(readFileSync(new URL('../../../test/vectors/json-parsing.json', import.meta.url), 'utf8')) as { readonly cases: readonly ParsingCase[] }
).cases

/** `accept`, or the code of the error. Anything but a SluiceError fails the test. */
function outcome(run: () => unknown): string {
  try {
    run()
    return 'accept'
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
}

describe('JSON parsing test suite', () => {
  it('holds enough cases', () => assert.ok(parsing.length >= 250, String(parsing.length)))
  for (const one of parsing) {
    it(`${one.name}: ${one.expect}`, () => {
      const bytes = one.base64 === undefined ? Buffer.from(one.text as string, 'utf8') : Buffer.from(one.base64, 'base64')
      assert.equal(
        outcome(() => decodeJson(bytes)),
        one.expect,
      )
      if (one.text !== undefined)
        assert.equal(
          outcome(() => decodeJson(one.text as string)),
          one.expect,
        )
    })
  }
})

describe('decoding JSON', () => {
  it('keeps NFC and NFD twins apart and marks where they are', () => {
    const twins = decodeJson('{"\u00e9":1,"e\u0301":2}') as Record<string, number>
    assert.deepEqual(Object.keys(twins), ['\u00e9', 'e\u0301'])
    assert.equal(encodeJson('a\u200f\u202e'), '"a\u200f\u202e"')
  })

  it('lets the later of two equal keys count', () => assert.deepEqual(decodeJson('{"a":1,"a":2}'), { a: 2 }))

  it('refuses depth bombs at once, closed or not', () => {
    for (const bomb of ['['.repeat(1_000_000), `${'['.repeat(500_000)}${']'.repeat(500_000)}`, '{"a":'.repeat(200_000), '[{"":'.repeat(100_000)]) {
      const began = performance.now()
      assert.equal(
        outcome(() => decodeJson(bomb)),
        'MESSAGE_TOO_DEEP',
      )
      assert.ok(performance.now() - began < 500)
    }
  })

  it('pollutes no prototype, whatever is merged from the result', () => {
    const value = decodeJson('{"constructor":{"name":"x"},"a":{"prototype":1}}')
    Object.assign({}, value)
    assert.equal(({} as Record<string, unknown>)['admin'], undefined)
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
  })

  it('puts nothing of the payload into its errors', () => {
    for (const body of ['{"password":"hunter2" oops}', 'hunter2', '{"hunter2":1e999}', '{"__proto__":"hunter2"}']) {
      assert.throws(
        () => decodeJson(body),
        (error: unknown) =>
          isSluiceError(error, 'UNDECODABLE') && !JSON.stringify([error.message, error.stack, error.details, String(error.cause)]).includes('hunter2'),
      )
    }
  })

  it('never throws anything but a SluiceError, whatever the bytes (20,000 mutations)', () => {
    const random = seededRandom(3)
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(JSON.stringify(randomJson(random, 3)), 'utf8')
      for (let flips = 1 + Math.floor(random() * 3); flips > 0 && bytes.length > 0; flips--)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      outcome(() => decodeJson(random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes))
    }
  })
})

describe('encoding JSON', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = [cyclic]
  class Money {
    readonly amount = 1
    toJSON(): string {
      return '1 EUR'
    }
  }
  class Point {
    readonly x = 1
  }
  function Old(this: { a: number }): void {
    this.a = 1
  }
  Old.prototype = { toJSON: () => 1 }
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])
  const refused: readonly (readonly [string, unknown, string?])[] = [
    ['Date', { a: new Date(0) }],
    ['invalid Date', new Date(Number.NaN)],
    ['BigInt', { a: 1n }],
    ['undefined alone', undefined],
    ['undefined in an array', [1, undefined]],
    // biome-ignore lint/suspicious/noSparseArray: a sparse array is what it tests
    ['sparse array', [1, , 2]],
    ['NaN', { a: Number.NaN }],
    ['Infinity', [Number.POSITIVE_INFINITY]],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['-0', { a: -0 }],
    ['-0 alone', -0],
    ['-0 in an array', [-0]],
    ['function', { a: () => 1 }],
    ['toJSON of a plain object', { toJSON: () => 1 }],
    ['symbol', [Symbol('a')]],
    ['Map', { a: new Map([[1, 2]]) }],
    ['Set', new Set([1])],
    ['WeakMap', { a: new WeakMap() }],
    ['Promise', { a: Promise.resolve() }],
    ['RegExp', { a: /x/ }],
    ['Error', { a: new Error('x') }],
    ['URL', { a: new URL('http://a') }],
    ['Buffer inside', { a: Buffer.from('x') }],
    ['typed array inside', { a: new Float64Array(1) }],
    ['ArrayBuffer', new ArrayBuffer(1)],
    ['boxed number', { a: Object(1) }],
    ['boxed string', { a: Object('x') }],
    ['class with toJSON', { a: new Money() }],
    ['class', new Point()],
    ['class of old', Reflect.construct(Old, [])],
    ['subclass of Array', new (class List extends Array<number> {})()],
    ['inherited properties', Object.create({ a: 1 })],
    ['cycle', cyclic],
    ['own __proto__', JSON.parse('{"a":{"__proto__":"x"}}')],
    ['own __proto__ of undefined', Object.defineProperty({}, '__proto__', { value: undefined, enumerable: true })],
    ['constructor.prototype', { constructor: { prototype: {} } }],
    ['unpaired surrogate', { a: 'x\ud800' }],
    ['unpaired surrogate in a key', { '\udc00': 1 }],
    [
      'getter that throws',
      Object.defineProperty({}, 'a', {
        enumerable: true,
        get: () => {
          throw new Error('no')
        },
      }),
    ],
    ['65 levels', nested(65), 'MESSAGE_TOO_DEEP'],
    [
      '100,000 levels',
      (() => {
        let value: unknown = 1
        for (let i = 0; i < 100_000; i++) value = [value]
        return value
      })(),
      'MESSAGE_TOO_DEEP',
    ],
  ]
  for (const [name, value, code] of refused)
    it(`refuses ${name}`, () =>
      assert.equal(
        outcome(() => encodeJson(value)),
        code ?? 'NOT_SERIALIZABLE',
      ))

  it('says where and what to do', () => {
    assert.throws(() => encodeJson({ order: { lines: [{ at: new Date(0) }] } }), {
      code: 'NOT_SERIALIZABLE',
      message: /\$\.order\.lines\[0\]\.at is an instance of Date.*toISOString/,
    })
    assert.throws(() => encodeJson([1, undefined]), /\$\[1\] is undefined/)
  })

  it('refuses a graph that shares its parts before it explodes', () => {
    let graph: unknown = [1]
    for (let i = 0; i < 60; i++) graph = [graph, graph]
    assert.equal(
      outcome(() => encodeJson(graph)),
      'MESSAGE_TOO_LARGE',
    )
  })

  const accepted: readonly (readonly [string, unknown, string])[] = [
    ['undefined properties are left out', { a: undefined, b: 1 }, '{"b":1}'],
    ['a null prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['64 levels', nested(64), `${'['.repeat(64)}1${']'.repeat(64)}`],
    ['plain objects of another realm', vm.runInNewContext('({ a: [1, { b: 2 }] })'), '{"a":[1,{"b":2}]}'],
    ['text that only looks like a surrogate', { a: '\\ud800' }, '{"a":"\\\\ud800"}'],
    ['a shared part', ((part) => [part, part])({ a: 1 }), '[{"a":1},{"a":1}]'],
    ['null', null, 'null'],
    ['a key named constructor', { constructor: 'Ferrari' }, '{"constructor":"Ferrari"}'],
    ['integers beyond 2^53', [2 ** 60, 2 ** 69, 1e21, 1e300], '[1152921504606847000,590295810358705700000,1e+21,1e+300]'],
  ]
  for (const [name, value, text] of accepted) {
    it(`accepts ${name}`, () => {
      assert.equal(encodeJson(value), text)
      assert.equal(
        outcome(() => decodeJson(text)),
        'accept',
      )
    })
  }

  it('refuses a Date, Map or class of another realm, too', () => {
    for (const code of ['new Date(0)', 'new Map()', 'new (class A { toJSON() {} })', 'new Uint8Array(1)'])
      assert.equal(
        outcome(() => encodeJson([vm.runInNewContext(code)])),
        'NOT_SERIALIZABLE',
        code,
      )
  })

  it('what it writes comes back as it was (5,000 random values)', () => {
    const random = seededRandom(1)
    for (let i = 0; i < 5_000; i++) {
      const value = randomJson(random, 4)
      const text = encodeJson(value)
      assert.deepEqual(decodeJson(text), value)
      assert.deepEqual(decodeJson(Buffer.from(text, 'utf8')), value)
    }
  })
})
