import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Codec, CodecRegistry } from './codec.ts'

const registry = new CodecRegistry()
const throwsCode = (run: () => unknown, code: string): void => assert.throws(run, { name: 'SluiceError', code })

describe('codecs', () => {
  it('writes JSON without saying so, bytes as octet-stream, nothing as an empty body', () => {
    assert.deepEqual(registry.encode({ a: 1 }), { body: '{"a":1}' })
    assert.deepEqual(registry.encode('text'), { body: '"text"' })
    const bytes = Uint8Array.from([0, 255, 128])
    assert.deepEqual(registry.encode(bytes), { body: bytes, datacontenttype: 'application/octet-stream' })
    assert.deepEqual(registry.encode(undefined), { body: '' })
    assert.equal(registry.decode({ body: '' }), undefined)
    assert.equal(registry.decode({ body: new Uint8Array(0) }), undefined)
    assert.deepEqual(registry.decode({ body: bytes, datacontenttype: 'application/octet-stream' }), bytes)
    assert.equal(registry.decode({ body: 'null' }), null)
  })

  it('gives bytes away as copies: who writes into his own changes nobody else’s', () => {
    const given = Uint8Array.from([1, 2, 3])
    const { body } = registry.encode(given)
    given.fill(0)
    assert.deepEqual(body, Uint8Array.from([1, 2, 3]), 'a buffer that is used again')
    const message = { body, datacontenttype: 'application/octet-stream' }
    const data = registry.decode(message) as Uint8Array
    data.fill(0)
    assert.deepEqual(registry.decode(message), Uint8Array.from([1, 2, 3]), 'another group, the next attempt')
    const views: Codec = { contentType: 'application/x-views', encode: () => '', decode: (bytes) => ({ field: (bytes as Uint8Array).subarray(1) }) }
    const { field } = new CodecRegistry([views]).decode({ body, datacontenttype: views.contentType }) as { readonly field: Uint8Array }
    field.fill(0)
    assert.deepEqual(body, Uint8Array.from([1, 2, 3]), 'a codec that gives views into the body')
  })

  it('reads by media type, whatever its case and parameters', () => {
    for (const datacontenttype of [
      'application/json',
      'Application/JSON; charset=UTF-8',
      'application/json;charset="utf-8"',
      'application/vnd.shop.order+json',
      'text/json',
    ]) {
      assert.deepEqual(registry.decode({ body: '{"a":1}', datacontenttype }), { a: 1 }, datacontenttype)
    }
    assert.equal(registry.decode({ body: Buffer.from('é'), datacontenttype: 'text/plain' }), 'é')
    assert.equal(registry.decode({ body: '<a/>', datacontenttype: 'application/xml' }), '<a/>')
    assert.deepEqual(registry.decode({ body: 'é', datacontenttype: 'application/octet-stream' }), new TextEncoder().encode('é'))
    assert.equal(registry.decode({ body: '', datacontenttype: 'text/plain' }), '')
  })

  it('refuses media types and charsets that it does not read', () => {
    for (const datacontenttype of [
      'application/avro',
      'json',
      '',
      'application/json; charset=utf-16',
      'text/plain; charset=iso-8859-1',
      'a/b/c',
      `application/${'x'.repeat(2_000)}`,
      '__proto__/x',
    ]) {
      throwsCode(() => registry.decode({ body: '1', datacontenttype }), 'UNSUPPORTED_ENCODING')
    }
    throwsCode(() => registry.encode('x', { contentType: 'application/protobuf' }), 'UNSUPPORTED_ENCODING')
  })

  it('refuses text that is not UTF-8 and values of the wrong kind', () => {
    throwsCode(() => registry.decode({ body: Uint8Array.from([0xff]), datacontenttype: 'text/plain' }), 'UNDECODABLE')
    throwsCode(() => registry.encode({ a: 1 }, { contentType: 'text/plain' }), 'NOT_SERIALIZABLE')
    throwsCode(() => registry.encode('\ud800', { contentType: 'text/plain' }), 'NOT_SERIALIZABLE')
    throwsCode(() => registry.encode({ a: 1 }, { contentType: 'application/octet-stream' }), 'NOT_SERIALIZABLE')
  })

  it('has room for other formats, and for another JSON', () => {
    const upper: Codec = { contentType: 'application/x-upper', encode: (value) => String(value).toUpperCase(), decode: (body) => String(body).toLowerCase() }
    const json: Codec = { contentType: 'application/json', encode: () => '"mine"', decode: () => 'mine' }
    const extended = new CodecRegistry([upper, json])
    const encoded = extended.encode('abc', { contentType: 'application/x-upper' })
    assert.deepEqual(encoded, { body: 'ABC', datacontenttype: 'application/x-upper' })
    assert.equal(extended.decode(encoded), 'abc')
    assert.deepEqual(extended.encode(1), { body: '"mine"' })
    assert.equal(extended.decode({ body: '1' }), 'mine')
    assert.ok(extended.contentTypes.includes('application/x-upper'))
  })

  it('finds media types in linear time', () => {
    const began = performance.now()
    for (let i = 0; i < 50; i++)
      throwsCode(() => registry.decode({ body: '1', datacontenttype: `${'a'.repeat(500)}${' '.repeat(400)}${i}` }), 'UNSUPPORTED_ENCODING')
    assert.ok(performance.now() - began < 200)
  })
})
