import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomJson } from '../../../test/vectors/random.ts'
import { seededRandom } from '../../clock/index.ts'
import { SluiceError } from '../../errors/index.ts'
import { decodeJson } from './decode.ts'
import { ShapeReader } from './shape-reader.ts'

const order = {
  id: 'A1000',
  total: 1000.25,
  paid: true,
  note: null,
  at: '2026-01-31T12:00:00.000Z',
  lines: [
    { sku: 'x1', n: 2 },
    { sku: 'x2', n: 30 },
  ],
  to: { city: 'Zürich', zip: 8001 },
  tags: ['a', ''],
  none: [],
}

function knowing(value: unknown): ShapeReader {
  const reader = new ShapeReader()
  reader.learn(JSON.stringify(value), value)
  return reader
}

test('what was learned is read without JSON.parse', () => {
  const reader = knowing(order)
  for (const change of [
    {},
    { total: -0.5 },
    { total: 0 },
    { paid: null, note: 'x' },
    { lines: [] },
    { lines: [{ sku: '', n: -7 }] },
    { tags: [true, 1, null] },
  ]) {
    const value = { ...order, ...change }
    assert.deepEqual(reader.read(JSON.stringify(value)), value)
  }
})

for (const [what, text] of [
  ['another key', '{"a":1,"c":2}'],
  ['a key missing', '{"a":1}'],
  ['a key more', '{"a":1,"b":2,"c":3}'],
  ['another order', '{"b":1,"a":2}'],
  ['white space', '{"a":1, "b":2}'],
  ['something behind it', '{"a":1,"b":2} '],
  ['an end too early', '{"a":1,"b":2'],
  ['nothing behind the point', '{"a":1,"b":2.}'],
  ['a zero in front', '{"a":01,"b":2}'],
  ['an exponent', '{"a":1e3,"b":2}'],
  ['more digits than a double is sure of', '{"a":1234567890123456,"b":2}'],
  ['an escape', '{"a":"\\n","b":2}'],
  ['a control character', '{"a":"\n","b":2}'],
  ['a control character in a long string', '{"a":"0123456789\n0123456789","b":2}'],
  ['a string without end', '{"a":"x,b:2}'],
  ['an object where none was', '{"a":{},"b":2}'],
  ['a list in a list', '{"a":[[1]],"b":2}'],
  ['a minus alone', '{"a":-,"b":2}'],
  ['half a word', '{"a":tru,"b":2}'],
] as const)
  test(`not read but left to JSON.parse: ${what}`, () => {
    const reader = knowing({ a: 1, b: 2 })
    assert.deepEqual(reader.read('{"a":3,"b":4}'), { a: 3, b: 4 })
    assert.equal(reader.read(text), undefined)
  })

test('keys that steer prototypes are not learned', () => {
  for (const text of ['{"__proto__":1}', '{"constructor":1}', '{"a":{"__proto__":{"x":1}}}']) {
    const reader = knowing(JSON.parse(text))
    assert.equal(reader.read(text), undefined)
  }
})

/** The value, or the error's code. */
function outcome(text: string): unknown {
  try {
    return decodeJson(text)
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
}

const pieces = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  '.',
  '0',
  '9',
  'e',
  'true',
  'null',
  '\\',
  '\\u0041',
  ' ',
  '\u0001',
  'ü',
  '"a"',
  '12345678901234567',
  '-0',
]

// A space in front is nothing that was learned: so read, a text shows what JSON.parse and the checks after it say.
for (let seed = 1; seed <= 8; seed++)
  test(`damaged texts of known shapes are read, or refused, as ever: seed ${seed}`, () => {
    const random = seededRandom(seed)
    const below = (n: number): number => Math.floor(random() * n)
    let known = 0
    for (let round = 0; round < 60; round++) {
      const value = round % 2 === 0 ? order : randomJson(random, 3)
      const text = JSON.stringify(value)
      for (let change = 0; change < 60; change++) {
        const at = below(text.length)
        const changed = text.slice(0, at) + pieces[below(pieces.length)] + text.slice(at + below(3))
        const read = knowing(value).read(changed)
        const expected = outcome(` ${changed}`)
        if (read !== undefined) {
          known++
          assert.deepEqual(read, expected, changed)
          assert.deepEqual(Object.keys(read as object), Object.keys(expected as object))
        }
        assert.deepEqual(outcome(changed), expected, changed)
      }
    }
    assert.ok(known > 50, `only ${known} were read`)
  })
