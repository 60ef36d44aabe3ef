import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomEnvelope } from '../../test/vectors/random.ts'
import { seededRandom } from '../clock/index.ts'
import { SluiceError } from '../errors/index.ts'
import { attributeNames, checkAttribute, validateEnvelope } from './attributes.ts'
import { type BinaryPrefix, fromBinary, toBinary } from './cloudevents/binary.ts'
import { attributesFromJson, attributesToJson, fromStructured, toStructured } from './cloudevents/structured.ts'
import type { Envelope } from './envelope.ts'
import { checkHeaders, knownAttribute } from './headers.ts'
import { checkBatchSize, checkSize, sizeOf } from './size.ts'

const base: Envelope = { id: '1', type: 't', source: 's', time: '2026-01-31T12:00:00.000Z', body: '{}' }
const refuses = (envelope: object, code: string): void => assert.throws(() => validateEnvelope(envelope as Envelope), { name: 'SluiceError', code })
const bytesOf = (envelope: Envelope): unknown => ({ ...envelope, body: Buffer.from(envelope.body as string).toString('base64') })

describe('rules of an envelope', () => {
  it('asks for id, type, source, time and a body', () => {
    validateEnvelope(base)
    for (const name of ['id', 'type', 'source', 'time', 'body']) refuses({ ...base, [name]: undefined }, 'INVALID_ATTRIBUTE')
    refuses({ ...base, body: 1 }, 'INVALID_ATTRIBUTE')
  })

  it('knows every attribute in headers.ts, too', () => {
    for (const name of [...attributeNames, 'specversion', 'data', 'data_base64', 'sluiceheaders']) assert.ok(knownAttribute(name), name)
    for (const name of attributeNames) assert.throws(() => checkHeaders({ [`ce-${name}`]: 'x' }), { code: 'INVALID_HEADER' })
  })

  it('names the attribute and never quotes its value', () => {
    assert.throws(
      () => validateEnvelope({ ...base, partitionkey: 'secret\n' }),
      (error: unknown) => error instanceof SluiceError && error.details['attribute'] === 'partitionkey' && !error.message.includes('secret'),
    )
  })

  it('refuses 10,000 headers at once, forged ones, and breaking ones', () => {
    const began = performance.now()
    refuses({ ...base, headers: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`h${i}`, 'v'])) }, 'INVALID_HEADER')
    assert.throws(() => fromBinary('ce_', { headers: Array.from({ length: 10_000 }, (_, i) => [`h${i}`, 'v'] as const), body: '' }, { receivedAtMs: 0 }), {
      code: 'INVALID_HEADER',
    })
    assert.ok(performance.now() - began < 100)
    for (const name of ['ce-id', 'ce_id', 'ce-attempt', 'cloudEvents_id', 'cloudevents:id', 'sluice-lane', '__proto__', 'content-type'])
      refuses({ ...base, headers: JSON.parse(`{${JSON.stringify(name)}:"x"}`) }, 'INVALID_HEADER')
    refuses({ ...base, headers: { a: 'x\r\nce_id: forged' } }, 'INVALID_HEADER')
    refuses({ ...base, headers: [] }, 'INVALID_HEADER')
    // An unknown extension of a stranger may travel on, but no application may set one.
    validateEnvelope({ ...base, headers: { 'ce-comexampleext': 'x' } })
    assert.throws(() => checkHeaders({ 'ce-comexampleext': 'x' }), { code: 'INVALID_HEADER' })
  })
})

describe('size', () => {
  it('counts UTF-8 bytes of everything', () => {
    assert.equal(sizeOf(base), 64 + 1 + 1 + 1 + 24 + 2)
    assert.equal(sizeOf({ ...base, body: 'é😀' }) - sizeOf({ ...base, body: '' }), 6)
    assert.equal(sizeOf({ ...base, body: new Uint8Array(1_000) }) - sizeOf({ ...base, body: '' }), 1_000)
    assert.equal(sizeOf({ ...base, partitionkey: 'é'.repeat(100), headers: { name: 'ü' } }) - sizeOf(base), 200 + 4 + 2)
  })

  it('refuses what is too large only together', () => {
    const envelope: Envelope = { ...base, subject: 's'.repeat(500), headers: { a: 'x'.repeat(500) }, body: 'x'.repeat(500) }
    assert.throws(() => checkSize(envelope, 1_500), { code: 'MESSAGE_TOO_LARGE' })
    assert.equal(checkSize(envelope, 2_000), sizeOf(envelope))
    assert.throws(() => checkSize({ ...base, body: 'x'.repeat(1_048_576) }), { code: 'MESSAGE_TOO_LARGE' })
    assert.throws(() => checkBatchSize([600, 600], 1_000), { code: 'MESSAGE_TOO_LARGE' })
    assert.equal(checkBatchSize([400, 600], 1_000), 1_000)
  })

  it('bounds what is read, too', () => {
    const structured = toStructured({ ...base, body: JSON.stringify('x'.repeat(5_000)) })
    assert.throws(() => fromStructured(structured, { receivedAtMs: 0, bytesMax: 4_000 }), { code: 'MESSAGE_TOO_LARGE' })
    assert.throws(() => fromStructured(`"${'x'.repeat(3_000_000)}"`, { receivedAtMs: 0 }), { code: 'MESSAGE_TOO_LARGE' })
    assert.throws(() => fromBinary('ce_', { ...toBinary('ce_', { ...base, body: 'x'.repeat(5_000) }) }, { receivedAtMs: 0, bytesMax: 4_000 }), {
      code: 'MESSAGE_TOO_LARGE',
    })
  })
})

describe('every mode, on random envelopes', () => {
  const options = { receivedAtMs: 0 }
  const prefixes: readonly BinaryPrefix[] = ['ce-', 'ce_', 'cloudEvents_']

  it('gives back what went in (3,000 envelopes)', () => {
    const random = seededRandom(11)
    for (let i = 0; i < 3_000; i++) {
      const envelope = randomEnvelope(random)
      validateEnvelope(envelope)
      const expected = bytesOf(envelope)
      assert.deepEqual(bytesOf(fromStructured(Buffer.from(toStructured(envelope), 'utf8'), options)), expected)
      for (const prefix of prefixes) assert.deepEqual(bytesOf(fromBinary(prefix, toBinary(prefix, envelope), options)), expected)
      assert.deepEqual(attributesFromJson(attributesToJson(envelope), envelope.body), envelope)
    }
  })

  it('throws nothing but a SluiceError for damaged bytes (10,000 mutations)', () => {
    const random = seededRandom(12)
    let refused = 0
    for (let i = 0; i < 10_000; i++) {
      const bytes = Buffer.from(toStructured(randomEnvelope(random)), 'utf8')
      for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      try {
        validateEnvelope(fromStructured(bytes, options))
      } catch (error) {
        assert.ok(error instanceof SluiceError, String(error))
        refused++
      }
    }
    assert.ok(refused > 3_000)
  })

  it('throws nothing but a SluiceError for hostile headers (5,000 messages)', () => {
    const random = seededRandom(13)
    const oddities: readonly unknown[] = [
      '',
      'x',
      '\r\n',
      '%',
      '%zz',
      '"',
      '"\\',
      0,
      -1,
      Number.NaN,
      true,
      null,
      undefined,
      {},
      [],
      new Date(Number.NaN),
      Buffer.from([0xff]),
      10n,
      'a'.repeat(40_000),
      '\ud800',
      '2026-01-31T12:00:00Z',
      '1.0',
    ]
    const names = [
      'specversion',
      'id',
      'type',
      'source',
      'time',
      'attempt',
      'tags',
      'datacontenttype',
      '__proto__',
      'constructor',
      '',
      'É',
      'data',
      'sluiceheaders',
    ]
    for (let i = 0; i < 5_000; i++) {
      const prefix = prefixes[Math.floor(random() * 3)] as BinaryPrefix
      const pairs = Object.entries(toBinary(prefix, randomEnvelope(random)).headers) as [string, unknown][]
      for (let more = Math.floor(random() * 4); more > 0; more--) {
        const name = names[Math.floor(random() * names.length)] as string
        pairs.push([random() < 0.5 ? prefix + name : name, oddities[Math.floor(random() * oddities.length)]])
      }
      try {
        const envelope = fromBinary(prefix, { headers: pairs, body: new Uint8Array(0), contentType: random() < 0.2 ? 'x' : undefined }, options)
        validateEnvelope(envelope)
        fromStructured(toStructured(envelope), options)
      } catch (error) {
        assert.ok(error instanceof SluiceError, String(error))
      }
    }
  })
})

it('an attribute that is refused says what it is to be', () => {
  assert.throws(() => checkAttribute('sequence', -1), { message: /the attribute sequence is not text\. .*a number is given as String\(n\)$/ })
  assert.throws(() => checkAttribute('tags', ['a,b']), { message: /the attribute tags has a tag with a comma.*\. It is a list of at most/ })
})
