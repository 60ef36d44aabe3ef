/**
 * CloudEvents binary mode: attributes as headers of the transport's own message, the data alone as its body. The
 * prefix is the binding's: `ce-` (HTTP, NATS), `ce_` (Kafka, and what has no standard binding), `cloudEvents_` (AMQP 1.0).
 */
import { SluiceError } from '../../errors/index.ts'
import { type AttributeName, attributeKinds } from '../attributes.ts'
import type { Envelope } from '../envelope.ts'
import { headerNameFault, isHeaderValue } from '../headers.ts'
import { headerCountMax, messageBytesMaxDefault } from '../limits.ts'
import { parseMediaType } from '../media-type.ts'
import { checkSize } from '../size.ts'
import { decodeUtf8 } from '../utf8.ts'
import {
  attributeText,
  type Draft,
  eachAttribute,
  finishDraft,
  keepExtension,
  type ReadOptions,
  readAttribute,
  specversion,
  splitHeaders,
} from './attribute-text.ts'
import { fromStructured, structuredContentType } from './structured.ts'

/** Prefix of attribute headers, by binding. */
export type BinaryPrefix = 'ce-' | 'ce_' | 'cloudEvents_'

/** A message in binary mode. */
export interface BinaryMessage {
  /** For the binding's own place of it (`content-type` header or property). Always stated. */
  readonly contentType: string
  /** Attributes under their prefix, then the application's headers under their own names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** A message as a transport received it. */
export interface ReceivedMessage {
  /** Absent: the header `content-type`, if there is one. */
  readonly contentType?: string | undefined
  /** As the client gives them; names in any case, values of any kind. Pairs where a name may stand twice. */
  readonly headers: Readonly<Record<string, unknown>> | Iterable<readonly [string, unknown]>
  readonly body: string | Uint8Array
}

/** The message for a transport that has headers. With `ce-`, attribute values are percent-encoded as the HTTP binding says. */
export function toBinary(prefix: BinaryPrefix, envelope: Envelope): BinaryMessage {
  const headers: Record<string, string> = {}
  const put = (name: string, text: string): void => {
    headers[prefix + name] = prefix === 'ce-' ? percentEncode(text) : text
  }
  put('specversion', specversion)
  eachAttribute(envelope, (name, value) => {
    if (name !== 'datacontenttype') put(name, attributeText(value))
  })
  const { own, extensions } = splitHeaders(envelope.headers)
  for (const [name, value] of extensions) put(name, value)
  for (const [name, value] of own) headers[name] = value
  return { contentType: envelope.datacontenttype ?? 'application/json', headers, body: envelope.body }
}

/**
 * Reads a message in binary mode, or in structured mode when its content type says so. Unknown extension attributes
 * are kept as headers `ce-<name>`. Of a stranger's headers, names become lower-case, numbers and booleans text; those
 * that Sluice could not send on (binary values, names that are no tokens) are left out.
 * @throws SluiceError UNDECODABLE, INVALID_HEADER (too many or too large), MESSAGE_TOO_LARGE, MESSAGE_TOO_DEEP,
 * UNSUPPORTED_ENCODING (batch mode)
 */
export function fromBinary(prefix: BinaryPrefix, message: ReceivedMessage, options: ReadOptions): Envelope {
  const pairs = headerPairs(message.headers)
  const contentType = message.contentType ?? textOf(pairs.find(([name]) => name === 'content-type')?.[1])
  const media = contentType === undefined ? undefined : parseMediaType(contentType)?.type
  if (media === structuredContentType) return fromStructured(message.body, options)
  if (media?.startsWith('application/cloudevents') === true)
    throw new SluiceError('UNSUPPORTED_ENCODING', 'CloudEvents batch and formats other than JSON are not supported', { details: { contentType: media } })

  const draft: Draft = {}
  const headers: Record<string, string> = {}
  const seen = new Set<string>()
  for (const [name, value] of pairs) {
    const attribute = attributeName(prefix, name)
    if (attribute === undefined) readOwnHeader(headers, name, value)
    else {
      if (seen.has(attribute)) throw undecodable('it has an attribute twice')
      seen.add(attribute)
      readWireAttribute(draft, headers, attribute, attributeValue(prefix, value))
    }
  }
  if (!seen.has('specversion')) throw undecodable('it is not a CloudEvent: specversion is missing')
  if (contentType !== undefined) {
    delete draft.datacontenttype
    readAttribute(draft, 'datacontenttype', contentType)
  }
  const envelope = finishDraft(draft, headers, message.body, options.receivedAtMs)
  checkSize(envelope, options.bytesMax ?? messageBytesMaxDefault)
  return envelope
}

function readWireAttribute(draft: Draft, headers: Record<string, string>, attribute: string, text: string): void {
  if (attribute === 'specversion') {
    if (text !== specversion) throw undecodable('the specversion is not "1.0"')
  } else if (Object.hasOwn(attributeKinds, attribute)) readAttribute(draft, attribute as AttributeName, text)
  else keepExtension(headers, attribute, text)
}

function readOwnHeader(headers: Record<string, string>, name: string, value: unknown): void {
  if (headerNameFault(name, 'application') !== undefined) return
  const text = textOf(value)
  if (text === undefined || !isHeaderValue(text)) return
  headers[name] = text
}

function headerPairs(headers: ReceivedMessage['headers']): readonly (readonly [string, unknown])[] {
  const pairs: (readonly [string, unknown])[] = []
  const entries = Symbol.iterator in headers ? (headers as Iterable<readonly [string, unknown]>) : Object.entries(headers)
  for (const [name, value] of entries) {
    // Attributes are at most a few dozen; ten thousand headers are counted no further than it takes to refuse them.
    if (pairs.length >= headerCountMax * 2) throw new SluiceError('INVALID_HEADER', `there are more than ${headerCountMax * 2} headers`)
    // Some clients (the CloudEvents SDK's Kafka binding) hand over absent ones as undefined.
    if (value !== undefined && value !== null) pairs.push([name.toLowerCase(), value])
  }
  return pairs
}

function attributeName(prefix: BinaryPrefix, name: string): string | undefined {
  const lower = prefix === 'cloudEvents_' ? 'cloudevents_' : prefix
  if (name.startsWith(lower)) return name.slice(lower.length)
  // The AMQP binding allows both separators.
  return prefix === 'cloudEvents_' && name.startsWith('cloudevents:') ? name.slice('cloudevents:'.length) : undefined
}

function attributeValue(prefix: BinaryPrefix, value: unknown): string {
  const text = textOf(value)
  if (text === undefined) throw undecodable('an attribute is not text')
  return prefix === 'ce-' ? percentDecode(text) : text
}

/** Text of a header value as clients give it: text, UTF-8 bytes, numbers, booleans, times; undefined for the rest. */
function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value)
    default:
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString()
      if (!(value instanceof Uint8Array)) return undefined
      try {
        return decodeUtf8(value)
      } catch {
        return undefined
      }
  }
}

// HTTP binding §3.1.3.2: everything but printable ASCII, and space, double quote and percent.
function percentEncode(text: string): string {
  return text.replace(/[^!#$&-~]/gu, (char) =>
    char < '\u0080' ? `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}` : encodeURIComponent(char),
  )
}

function percentDecode(text: string): string {
  const inner = text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
  if (!inner.includes('%')) return inner
  try {
    return decodeURIComponent(inner)
  } catch {
    throw undecodable('an attribute is not percent-encoded UTF-8')
  }
}

function undecodable(why: string): SluiceError {
  return new SluiceError('UNDECODABLE', `a message cannot be read: ${why}`)
}
