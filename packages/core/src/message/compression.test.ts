import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as zlib from 'node:zlib'
import { seededRandom } from '../clock/index.ts'
import { SluiceError } from '../errors/index.ts'
import { CodecRegistry } from './codec.ts'
import { type ContentEncoding, compressBody, decompressBody } from './compression.ts'

const hasZstd = typeof zlib.zstdCompressSync === 'function'
const encodings: readonly ContentEncoding[] = ['gzip', 'br', 'zstd']
const skip = (encoding: ContentEncoding): string | false => (encoding === 'zstd' && !hasZstd ? 'this Node has no zstd' : false)

function rawCompress(encoding: ContentEncoding, bytes: Uint8Array): Buffer {
  return encoding === 'gzip' ? zlib.gzipSync(bytes) : encoding === 'br' ? zlib.brotliCompressSync(bytes) : zlib.zstdCompressSync(bytes)
}

function code(run: () => unknown): string {
  try {
    run()
    return 'ok'
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error))
    return error.code
  }
}

const limitBytes = 1_048_576

for (const encoding of encodings) {
  describe(`compression with ${encoding}`, { skip: skip(encoding) }, () => {
    const text = JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ sku: `S${i}`, quantity: i })))
    const compressed = (): Uint8Array => compressBody(text, { encoding }) as Uint8Array

    it('gives back the same bytes', () => {
      assert.ok(compressed().length < text.length / 3)
      assert.equal(Buffer.from(decompressBody(compressed(), encoding, limitBytes)).toString(), text)
    })

    it('leaves small bodies, and those that would not shrink, as they are', () => {
      assert.equal(compressBody('x'.repeat(1_023), { encoding }), undefined)
      assert.notEqual(compressBody('x'.repeat(1_024), { encoding }), undefined)
      assert.notEqual(compressBody('x'.repeat(100), { encoding, thresholdBytes: 100 }), undefined)
      const random = seededRandom(1)
      assert.equal(
        compressBody(
          Uint8Array.from({ length: 4_096 }, () => random() * 256),
          { encoding },
        ),
        undefined,
      )
    })

    it('stops a bomb before it takes memory', () => {
      const bomb = rawCompress(encoding, Buffer.alloc(200_000_000))
      const before = process.memoryUsage().rss
      for (let i = 0; i < 5; i++)
        assert.equal(
          code(() => decompressBody(bomb, encoding, limitBytes)),
          'MESSAGE_TOO_LARGE',
        )
      assert.ok(process.memoryUsage().rss - before < 64_000_000, `${bomb.length} bytes took ${process.memoryUsage().rss - before}`)
    })

    it('is exact at its limit', () => {
      const bytes = rawCompress(encoding, Buffer.alloc(5_000, 'ab'))
      assert.equal(decompressBody(bytes, encoding, 5_000).length, 5_000)
      assert.equal(
        code(() => decompressBody(bytes, encoding, 4_999)),
        'MESSAGE_TOO_LARGE',
      )
    })

    it('refuses truncated, trailing and empty input', () => {
      const bytes = compressed()
      for (let cut = 1; cut < bytes.length; cut += 97)
        assert.equal(
          code(() => decompressBody(bytes.subarray(0, cut), encoding, limitBytes)),
          'UNDECODABLE',
        )
      assert.equal(
        code(() => decompressBody(Buffer.concat([bytes, Buffer.from('junk')]), encoding, limitBytes)),
        'UNDECODABLE',
      )
      assert.equal(
        code(() => decompressBody(new Uint8Array(0), encoding, limitBytes)),
        'UNDECODABLE',
      )
      assert.equal(
        code(() => decompressBody('text', encoding, limitBytes)),
        'UNDECODABLE',
      )
    })

    it('throws nothing but a SluiceError for damaged bytes (3,000 mutations)', () => {
      const random = seededRandom(7)
      const source = compressed()
      for (let i = 0; i < 3_000; i++) {
        const bytes = Uint8Array.from(source)
        for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
        code(() => decompressBody(bytes, encoding, limitBytes))
      }
    })

    it('bounds what several members inflate to together', () => {
      const member = rawCompress(encoding, Buffer.alloc(600_000))
      assert.notEqual(
        code(() => decompressBody(Buffer.concat([member, member]), encoding, limitBytes)),
        'ok',
      )
    })
  })
}

describe('compression', () => {
  it('refuses unknown and nested encodings', () => {
    for (const encoding of ['deflate', 'compress', 'identity', '', 'GZIP', 'x-gzip', 'gzip, br', 'gzip,gzip', '__proto__']) {
      assert.equal(
        code(() => decompressBody(new Uint8Array(1), encoding, limitBytes)),
        'UNSUPPORTED_ENCODING',
        encoding,
      )
    }
  })

  it('reads a body inside a body only once', () => {
    const inner = zlib.gzipSync('{"a":1}')
    assert.equal(
      code(() => new CodecRegistry().decode({ body: zlib.gzipSync(inner), datacontentencoding: 'gzip' })),
      'UNDECODABLE',
    )
  })

  it('refuses a zstd frame that asks for a window of 64 MiB or more', { skip: skip('zstd') }, () => {
    // Magic, a descriptor without content size, window descriptor (exponent 16: 2^26), one empty last block.
    const frame = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 16 << 3, 0x01, 0x00, 0x00])
    assert.equal(
      code(() => decompressBody(frame, 'zstd', limitBytes)),
      'UNDECODABLE',
    )
    const small = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0x00, 0x00])
    assert.equal(decompressBody(small, 'zstd', limitBytes).length, 0)
  })

  it('refuses a gzip trailer that lies about the length', () => {
    const bytes = zlib.gzipSync('hello')
    bytes.writeUInt32LE(4, bytes.length - 4)
    assert.equal(
      code(() => decompressBody(bytes, 'gzip', limitBytes)),
      'UNDECODABLE',
    )
  })

  it('goes through the registry, off by default', () => {
    const registry = new CodecRegistry()
    const data = { text: 'x'.repeat(10_000) }
    assert.equal(registry.encode(data).datacontentencoding, undefined)
    for (const encoding of encodings.filter((one) => skip(one) === false)) {
      const encoded = registry.encode(data, { compression: { encoding } })
      assert.equal(encoded.datacontentencoding, encoding)
      assert.ok(encoded.body.length < 500)
      assert.deepEqual(registry.decode(encoded), data)
      assert.equal(
        code(() => registry.decode(encoded, 5_000)),
        'MESSAGE_TOO_LARGE',
      )
    }
  })
})
