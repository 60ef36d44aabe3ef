/**
 * The rules of every attribute, once: checked when a message is sent, and when a stranger's message is read. The table
 * in docs/reference/wire-format.md says the same for other languages; packages/core/test/vectors holds the examples.
 */
import { SluiceError } from '../errors/index.ts'
import type { Envelope } from './envelope.ts'
import { checkHeaderSet } from './headers.ts'
import { freeAttributeBytesMax, identifierBytesMax, integerAttributeMax, tagBytesMax, tagCountMax } from './limits.ts'
import { parseMediaType } from './media-type.ts'
import { utf8Length } from './utf8.ts'

/** Attributes of an envelope: everything but the body and the application's headers. */
export type AttributeName = Exclude<keyof Envelope, 'body' | 'headers'>

/**
 * Kind of value. `identifier`: 1–255 bytes of text. `text`: 1–1,024 bytes. `time`: RFC 3339. `integer`: 32 bits on the
 * wire as a number. `count`: up to 2^53 − 1, on the wire as decimal digits. `tags`: a list, on the wire joined by commas.
 */
export type AttributeKind = 'identifier' | 'text' | 'mediatype' | 'time' | 'integer' | 'count' | 'tags'

/** Every attribute with its kind, in the order in which they are written. */
export const attributeKinds: Readonly<Record<AttributeName, AttributeKind>> = {
  id: 'identifier',
  type: 'identifier',
  source: 'identifier',
  time: 'time',
  subject: 'text',
  datacontenttype: 'mediatype',
  datacontentencoding: 'identifier',
  dataschema: 'text',
  partitionkey: 'identifier',
  sequence: 'identifier',
  schemaversion: 'integer',
  correlationid: 'identifier',
  causationid: 'identifier',
  traceparent: 'identifier',
  tracestate: 'text',
  expirytime: 'time',
  notbefore: 'time',
  attempt: 'integer',
  tags: 'tags',
  replyto: 'identifier',
  replyfor: 'identifier',
  producerid: 'identifier',
  producerepoch: 'count',
  producerseq: 'count',
}

/** Names of {@link attributeKinds}, in order. */
export const attributeNames: readonly AttributeName[] = Object.keys(attributeKinds) as AttributeName[]

const required: readonly AttributeName[] = ['id', 'type', 'source', 'time']

/**
 * Checks all attributes and headers of an envelope (not its body or size).
 * @throws SluiceError INVALID_ATTRIBUTE, INVALID_HEADER; `details.attribute` or `details.header` names it
 */
export function validateEnvelope(envelope: Envelope): void {
  for (const name of required) if (envelope[name] === undefined) throw invalid(name, 'is missing')
  for (const name of attributeNames) {
    const value = envelope[name]
    if (value !== undefined) checkAttribute(name, value)
  }
  if (envelope.headers !== undefined) checkHeaderSet(envelope.headers, 'message')
  if (typeof envelope.body !== 'string' && !(envelope.body instanceof Uint8Array)) throw invalid('body', 'is neither text nor bytes')
}

/** Checks one attribute. @throws SluiceError INVALID_ATTRIBUTE */
export function checkAttribute(name: AttributeName, value: unknown): void {
  const why = attributeFault(name, value)
  if (why !== undefined) throw invalid(name, why, fixes[attributeKinds[name]])
}

const fixes: Readonly<Record<AttributeKind, string>> = {
  identifier: `It is text of 1 to ${identifierBytesMax} bytes without control characters; a number is given as String(n)`,
  text: `It is text of 1 to ${freeAttributeBytesMax} bytes without control characters`,
  mediatype: 'It is a media type, e.g. application/json',
  time: 'Write it with toISOString()',
  integer: 'It is a whole number',
  count: 'It is a whole number',
  tags: `It is a list of at most ${tagCountMax} texts of 1 to ${tagBytesMax} bytes, without commas`,
}

/** Why a value is not allowed for an attribute, or undefined when it is. Never quotes the value. */
export function attributeFault(name: AttributeName, value: unknown): string | undefined {
  switch (attributeKinds[name]) {
    case 'identifier':
      return textFault(value, identifierBytesMax)
    case 'text':
      return textFault(value, freeAttributeBytesMax)
    case 'mediatype':
      return textFault(value, identifierBytesMax) ?? (parseMediaType(value as string) === undefined ? 'is not a media type' : undefined)
    case 'time':
      return typeof value === 'string' && isRfc3339(value) ? undefined : 'is not a time as RFC 3339 writes it, e.g. 2026-01-31T12:00:00.000Z'
    case 'integer':
      return integerFault(value, name === 'schemaversion' ? 1 : 0, integerAttributeMax)
    case 'count':
      return integerFault(value, 0, Number.MAX_SAFE_INTEGER)
    case 'tags':
      return tagsFault(value)
  }
}

const plainAscii = /^[\x20-\x7e]+$/

function textFault(value: unknown, bytesMax: number): string | undefined {
  if (typeof value !== 'string') return 'is not text'
  if (value.length === 0) return 'is empty'
  if (value.length > bytesMax) return `is longer than ${bytesMax} bytes`
  if (plainAscii.test(value)) return undefined
  if (utf8Length(value) > bytesMax) return `is longer than ${bytesMax} bytes`
  return hasForbidden(value) ? 'has a control character, a non-character or an unpaired surrogate' : undefined
}

// CloudEvents 1.0 §"Type System", String: no C0 or C1 controls, no non-characters, no unpaired surrogates. Right-to-left
// marks, combining characters and the like are text, and stay as they are (nothing is normalised).
function hasForbidden(text: string): boolean {
  for (const char of text) {
    const point = char.codePointAt(0) as number
    if (point < 0x20 || (point >= 0x7f && point <= 0x9f)) return true
    if (point >= 0xd800 && point <= 0xdfff) return true
    if ((point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) === 0xfffe) return true
  }
  return false
}

function integerFault(value: unknown, least: number, most: number): string | undefined {
  // −0 is 0 by every comparison, but is written as "0" and would come back as another value.
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most && !Object.is(value, -0)) return undefined
  return `is not an integer from ${least} to ${most}`
}

function tagsFault(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'is not a list'
  if (value.length === 0) return 'is an empty list'
  if (value.length > tagCountMax) return `has more than ${tagCountMax} tags`
  for (const tag of value as readonly unknown[]) {
    const fault = textFault(tag, tagBytesMax)
    if (fault !== undefined) return `has a tag that ${fault}`
    if ((tag as string).includes(',') || (tag as string).trim() !== tag) return 'has a tag with a comma or with spaces around it'
  }
  return undefined
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** Whether a text is a date-time of RFC 3339 (upper-case T and Z, at most nine digits of a second, no leap second). */
export function isRfc3339(text: string): boolean {
  if (text.length > 35) return false
  const match = rfc3339.exec(text)
  if (match === null) return false
  const month = Number(match[2])
  const day = Number(match[3])
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(2000 + (Number(match[1]) % 400), month, 0)).getUTCDate()
}

function invalid(name: string, why: string, fix = ''): SluiceError {
  return new SluiceError('INVALID_ATTRIBUTE', `the attribute ${name} ${why}`, { fix, details: { attribute: name } })
}
