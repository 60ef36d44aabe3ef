/**
 * Compression of bodies, off unless the route asks for it. Inflation is bounded before memory is taken: 172 bytes of
 * brotli can become 100 MB. Runs on the calling thread: bodies are at most a few MiB, and below the threshold nothing runs.
 */
import { Buffer } from 'node:buffer'
import * as zlib from 'node:zlib'
import { SluiceError } from '../errors/index.ts'
import { tooLarge } from './size.ts'

/** Content encodings that Sluice writes and reads; one at a time, never nested. */
export type ContentEncoding = 'gzip' | 'zstd' | 'br'

/** When and how bodies are compressed. */
export interface CompressionOptions {
  /** `zstd` is the fastest for its size (Node ≥ 22.15), `gzip` is read by everybody, `br` is the smallest and slowest. */
  readonly encoding: ContentEncoding
  /** Smaller bodies stay as they are. Default 1,024 bytes. */
  readonly thresholdBytes?: number
}

/** Default of {@link CompressionOptions.thresholdBytes}. */
export const compressionThresholdBytesDefault: number = 1_024

// Memory that a zstd frame may ask for before it gives its first byte: 8 MiB, what RFC 8878 §3.1.1.1.2 tells readers to support.
const zstdWindowLogMax = 23
// Higher qualities of brotli take 10 to 100 times as long for a few percent.
const brotliQuality = 5

/**
 * The compressed body, or undefined where it stays as it is: below the threshold, or no smaller afterwards.
 * @throws SluiceError UNSUPPORTED_ENCODING for an unknown encoding, or zstd on a Node without it.
 */
export function compressBody(body: string | Uint8Array, options: CompressionOptions): Uint8Array | undefined {
  const encoding = checkEncoding(options.encoding)
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
  if (bytes.length < (options.thresholdBytes ?? compressionThresholdBytesDefault)) return undefined
  const compressed = compress(bytes, encoding)
  return compressed.length < bytes.length ? compressed : undefined
}

/**
 * The body before compression, at most `bytesMax` bytes.
 * @throws SluiceError MESSAGE_TOO_LARGE before more than `bytesMax` are inflated; UNDECODABLE for damaged, truncated
 * or trailing bytes; UNSUPPORTED_ENCODING for unknown or nested encodings, and zstd on a Node without it.
 */
export function decompressBody(body: string | Uint8Array, contentEncoding: string, bytesMax: number): Uint8Array {
  const encoding = checkEncoding(contentEncoding)
  if (typeof body === 'string') throw new SluiceError('UNDECODABLE', `the body is text, but is said to be ${encoding}`)
  let result: Inflated
  try {
    result = inflate(body, encoding, bytesMax)
  } catch (error) {
    if (error instanceof RangeError || codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(undefined, bytesMax, `the ${encoding} body, inflated,`)
    throw new SluiceError('UNDECODABLE', `the body is not whole ${encoding} data`, { cause: error })
  }
  // Bytes after the end would be lost silently, or hide something from a reader that looks for it.
  if (result.engine.bytesWritten !== body.length) throw new SluiceError('UNDECODABLE', `the body has bytes after the end of its ${encoding} data`)
  return result.buffer
}

interface Inflated {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

function inflate(bytes: Uint8Array, encoding: ContentEncoding, bytesMax: number): Inflated {
  // With `info`, these return what the types do not say: the engine, which knows how much of the input it used.
  const options = { maxOutputLength: bytesMax, info: true }
  switch (encoding) {
    case 'gzip':
      return zlib.gunzipSync(bytes, options) as unknown as Inflated
    case 'br':
      return zlib.brotliDecompressSync(bytes, options) as unknown as Inflated
    case 'zstd':
      return zlib.zstdDecompressSync(bytes, { ...options, params: { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLogMax } }) as unknown as Inflated
  }
}

function compress(bytes: Uint8Array, encoding: ContentEncoding): Uint8Array {
  switch (encoding) {
    case 'gzip':
      return zlib.gzipSync(bytes)
    case 'br':
      return zlib.brotliCompressSync(bytes, {
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: brotliQuality, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
      })
    case 'zstd':
      return zlib.zstdCompressSync(bytes)
  }
}

function checkEncoding(encoding: string): ContentEncoding {
  switch (encoding) {
    case 'gzip':
    case 'br':
      return encoding
    case 'zstd':
      if (typeof zlib.zstdCompressSync === 'function') return encoding
      throw new SluiceError('UNSUPPORTED_ENCODING', 'this Node has no zstd', { fix: 'Use Node 22.15 or newer, or gzip', details: { encoding } })
    default: {
      const nested = encoding.includes(',')
      throw new SluiceError('UNSUPPORTED_ENCODING', nested ? 'the body is compressed more than once' : 'the content encoding is not gzip, zstd or br', {
        fix: nested ? 'Compress once' : 'Use gzip, zstd or br',
      })
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
