/**
 * Codecs turn data into the body of a message and back. Which one reads a body is decided by its media type, so that
 * messages of several codecs, and of other people's programs, live in one channel.
 */
import { SluiceError } from '../errors/index.ts'
import { type CompressionOptions, compressBody, decompressBody } from './compression.ts'
import type { Envelope } from './envelope.ts'
import { decodeJson } from './json/decode.ts'
import { encodeJson } from './json/encode.ts'
import { messageBytesMaxDefault } from './limits.ts'
import { type MediaType, parseMediaType } from './media-type.ts'
import { decodeUtf8 } from './utf8.ts'

/** Writes and reads the data of one media type. Both ways throw only SluiceErrors. */
export interface Codec {
  /** What it writes, as `datacontenttype` says it, e.g. `application/json`, `application/protobuf`. */
  readonly contentType: string
  /**
   * The body: text for textual formats, else bytes. Must refuse what `decode` would not give back unchanged.
   * @throws SluiceError NOT_SERIALIZABLE, MESSAGE_TOO_DEEP
   */
  encode(value: unknown): string | Uint8Array
  /**
   * The value. `body` is text or bytes as the transport had it (text is always well-formed); the bytes are its own.
   * @throws SluiceError UNDECODABLE, MESSAGE_TOO_DEEP
   */
  decode(body: string | Uint8Array): unknown
  /** Whether it also reads another media type (lower-case, without parameters), e.g. every `…+json`. Default: only its own. */
  reads?(mediaType: string): boolean
}

/** JSON (RFC 8259), the default. What it refuses stands at {@link encodeJson} and {@link decodeJson}. */
export const jsonCodec: Codec = {
  contentType: 'application/json',
  encode: encodeJson,
  decode: decodeJson,
  reads: (mediaType) => mediaType === 'text/json' || mediaType.endsWith('+json'),
}

/** Bytes as they are: for data that is a Uint8Array. */
export const bytesCodec: Codec = {
  contentType: 'application/octet-stream',
  encode(value) {
    // The caller may use its buffer again before the message is stored.
    if (value instanceof Uint8Array) return new Uint8Array(value)
    throw new SluiceError('NOT_SERIALIZABLE', 'the data of an application/octet-stream message is not a Uint8Array')
  },
  decode: (body) => (typeof body === 'string' ? new TextEncoder().encode(body) : body),
}

/** Text as UTF-8, without quotes around it. */
export const textCodec: Codec = {
  contentType: 'text/plain',
  encode(value) {
    if (typeof value === 'string' && value.isWellFormed()) return value
    throw new SluiceError(
      'NOT_SERIALIZABLE',
      typeof value === 'string' ? 'the text has an unpaired surrogate, which UTF-8 cannot carry' : 'the data of a text/plain message is not a string',
    )
  },
  decode: (body) => (typeof body === 'string' ? body : decodeUtf8(body)),
  reads: (mediaType) => mediaType.startsWith('text/') || mediaType === 'application/xml' || mediaType.endsWith('+xml'),
}

/** The body of a message with the attributes that say how to read it. */
export interface EncodedData {
  readonly body: string | Uint8Array
  readonly datacontenttype?: string
  readonly datacontentencoding?: string
}

/** How to encode one message's data. */
export interface EncodeOptions {
  /** Media type to write. Default: `application/octet-stream` for a Uint8Array, else `application/json`. */
  readonly contentType?: string
  /** Default: no compression. */
  readonly compression?: CompressionOptions
}

/** The codecs that a bus knows. Immutable; `with` makes a larger one. */
export class CodecRegistry {
  readonly #codecs: readonly Codec[]
  readonly #json: Codec

  /** `codecs` come before the built-in ones (JSON, bytes, text), the first match wins. */
  constructor(codecs: readonly Codec[] = []) {
    this.#codecs = [...codecs, jsonCodec, bytesCodec, textCodec]
    this.#json = this.#codecs.find((codec) => codec.contentType === jsonCodec.contentType) ?? jsonCodec
  }

  /** Every media type that can be written. */
  get contentTypes(): readonly string[] {
    return this.#codecs.map((codec) => codec.contentType)
  }

  /** @throws SluiceError UNSUPPORTED_ENCODING when no codec reads this media type, or its charset is not UTF-8. */
  codecFor(contentType: string | undefined): Codec {
    if (contentType === undefined || contentType === jsonCodec.contentType) return this.#json
    const media = parseMediaType(contentType)
    if (media === undefined) throw new SluiceError('UNSUPPORTED_ENCODING', 'the content type is not a media type')
    checkCharset(media)
    const codec = this.#codecs.find((one) => one.contentType === media.type) ?? this.#codecs.find((one) => one.reads?.(media.type) === true)
    if (codec !== undefined) return codec
    throw new SluiceError('UNSUPPORTED_ENCODING', `no codec reads ${media.type}`, {
      fix: 'Add one with the option codecs',
      details: { contentType: media.type },
    })
  }

  /**
   * Encodes data. `undefined` is *no data*: an empty body. JSON is written without `datacontenttype`, which is the default.
   * `bytesMax`: larger data may be refused before it is encoded; default: no bound.
   * @throws SluiceError NOT_SERIALIZABLE, MESSAGE_TOO_DEEP, MESSAGE_TOO_LARGE, UNSUPPORTED_ENCODING
   */
  encode(value: unknown, options?: EncodeOptions, bytesMax?: number): EncodedData {
    const contentType = options?.contentType ?? (value instanceof Uint8Array ? bytesCodec.contentType : undefined)
    const codec = this.codecFor(contentType)
    const body = value === undefined ? '' : codec === jsonCodec ? encodeJson(value, bytesMax) : codec.encode(value)
    const compression = options?.compression
    if (compression === undefined) return contentType === undefined ? { body } : { body, datacontenttype: contentType }
    const compressed = compressBody(body, compression)
    const encoded: EncodedData = compressed === undefined ? { body } : { body: compressed, datacontentencoding: compression.encoding }
    return contentType === undefined ? encoded : { ...encoded, datacontenttype: contentType }
  }

  /**
   * Decodes the data of a message; an empty body of a JSON message is `undefined` (no data). `bytesMax` bounds what a
   * compressed body may become (default 1 MiB).
   * @throws SluiceError UNDECODABLE, MESSAGE_TOO_DEEP, MESSAGE_TOO_LARGE, UNSUPPORTED_ENCODING
   */
  decode(message: Pick<Envelope, 'body' | 'datacontenttype' | 'datacontentencoding'>, bytesMax: number = messageBytesMaxDefault): unknown {
    const codec = this.codecFor(message.datacontenttype)
    const encoding = message.datacontentencoding
    const body = encoding === undefined ? message.body : decompressBody(message.body, encoding, bytesMax)
    if (body.length === 0 && codec === this.#json) return undefined
    // Other groups read the same body, and so does the next attempt: who is handed bytes may write into them.
    return codec.decode(typeof body === 'string' || encoding !== undefined || codec === jsonCodec || codec === textCodec ? body : new Uint8Array(body))
  }
}

function checkCharset(media: MediaType): void {
  const charset = media.charset
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii') return
  throw new SluiceError('UNSUPPORTED_ENCODING', 'the charset of the content type is not UTF-8', { details: { contentType: media.type } })
}
