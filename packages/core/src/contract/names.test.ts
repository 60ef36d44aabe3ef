import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSluiceError } from '../errors/index.ts'
import { checkId, checkKey, checkName, printable } from './index.ts'

const long = (n: number): string => 'a'.repeat(n)

const hostile: readonly unknown[] = [
  '',
  '.',
  '..',
  '../etc/passwd',
  '..\\x',
  'a/b',
  '/abs',
  'a\\b',
  'C:x',
  'a\0b',
  'a\rb',
  'a\nb',
  'a\r\nX-Header: 1',
  'a b',
  ' a',
  'a ',
  'a.',
  '.a',
  'a..b',
  '*',
  '#',
  '>',
  'a.*',
  'a.#',
  'a.>',
  'a?',
  '$SYS.a',
  '%00',
  'a%2e%2e',
  'a:b',
  'a;b',
  'a,b',
  'a|b',
  "a'b",
  'a"b',
  '`a`',
  '<a>',
  '$' + '{a}',
  '{{a}}',
  '~a',
  '-a',
  '_a',
  'caf\u00e9',
  'cafe\u0301',
  '\u202ea',
  'a\u200f',
  'a\u200b',
  '\ufeffa',
  'a\u2028b',
  '\ud800',
  'а.b' /* Cyrillic */,
  '\u0131d',
  '订单',
  '😀',
  long(256),
  `${long(200)}.${long(60)}`,
  null,
  undefined,
  1,
  {},
  [],
  ['a'],
  Symbol('a'),
  1n,
  true,
  () => 'a',
  { toString: () => 'a' },
]

test('hostile names are refused for every kind of name, in an error that is safe to print', () => {
  for (const kind of ['contract', 'channel', 'group', 'service', 'tag'] as const) {
    for (const name of hostile) {
      assert.throws(
        () => checkName(kind, name),
        (error) => isSluiceError(error, 'INVALID_NAME') && /^[\x20-\x7e…]*$/.test(error.message) && error.message.length < 400,
        `${kind} ${printable(name)}`,
      )
    }
  }
})

test('ordinary names pass, up to 255 bytes', () => {
  for (const name of [
    'a',
    'A1',
    '0',
    'shop.order.placed',
    'com.example.OrderPlaced',
    'a-b.c_d',
    'a--b',
    '2026.orders',
    'constructor',
    '__proto__'.slice(2),
    long(255),
  ])
    assert.equal(checkName('contract', name), name)
  assert.equal(checkName('group', 'sluice'), 'sluice')
})

test('the word sluice at the head of contracts and channels is reserved, inside it is not', () => {
  for (const name of ['sluice', 'sluice.reply.x']) for (const kind of ['contract', 'channel'] as const) assert.throws(() => checkName(kind, name), /reserved/)
  assert.equal(checkName('contract', 'sluices.open'), 'sluices.open')
  assert.equal(checkName('contract', 'shop.sluice'), 'shop.sluice')
})

test('keys and ids: 1 to 255 bytes of well-formed text without control characters', () => {
  for (const check of [checkKey, checkId]) {
    for (const good of ['A1', ' a b ', '订单 7', 'é', 'e\u0301', '😀', '__proto__', '*', long(255), 'é'.repeat(127)]) assert.equal(check(good), good)
    for (const bad of [
      '',
      long(256),
      'é'.repeat(128),
      'a\0',
      'a\n',
      'a\r\nb',
      '\u0085',
      '\u2028',
      '\ud800',
      'a\udc00',
      null,
      undefined,
      1,
      {},
      Number.NaN,
      Symbol('x'),
    ]) {
      assert.throws(
        () => check(bad),
        (error) => isSluiceError(error, 'INVALID_ATTRIBUTE'),
      )
    }
  }
})

test('an error about a key never holds the key', () => {
  assert.throws(
    () => checkKey(`canary-secret\n`),
    (error) => isSluiceError(error) && !JSON.stringify([error.message, error.stack, error.details]).includes('canary'),
  )
})

test('a name check is linear: the longest hostile one takes no time', () => {
  const started = performance.now()
  for (let i = 0; i < 1000; i++) assert.throws(() => checkName('contract', `${'a.'.repeat(127)}!`))
  assert.throws(() => checkName('contract', `${'a-'.repeat(5_000_000)}!`))
  assert.ok(performance.now() - started < 2_000)
})

test('an id that another message is named by is called as the option is', () => {
  assert.throws(() => checkId('', 'correlationId'), {
    code: 'INVALID_ATTRIBUTE',
    message: /the correlationId is empty.*An id is a string/,
    details: { attribute: 'correlationId' },
  })
  assert.throws(() => checkId(1, 'causationId'), /the causationId is of type number/)
  assert.throws(() => checkKey('', 'deduplicate.key'), /the deduplicate.key is empty.*A key is a string/)
})
