/**
 * CloudEvents JSON, structured mode: one JSON object with the attributes and the data
 * (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md; docs/reference/wire-format.md).
 */
import { Buffer } from 'node:buffer'
import { SluiceError } from '../../errors/index.ts'
import { type AttributeName, attributeKinds } from '../attributes.ts'
import type { Envelope } from '../envelope.ts'
import { checkNesting, endOfString } from '../json/decode.ts'
import { jsonDepthMax, messageBytesMaxDefault } from '../limits.ts'
import { isJsonType } from '../media-type.ts'
import { checkSize, tooLarge } from '../size.ts'
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

/** Media type of a message in structured mode. */
export const structuredContentType: string = 'application/cloudevents+json'

/**
 * The message as CloudEvents JSON text. JSON data stands in `data` byte for byte, other text in `data` as a string, and
 * bytes (or JSON that is none, or has white space around it) in `data_base64`. Attributes keep a fixed order.
 */
export function toStructured(envelope: Envelope): string {
  return `${attributesToJson(envelope).slice(0, -1)}${dataMember(envelope)}}`
}

/** Attributes and headers alone, as the JSON object of structured mode without its data: for transports that keep the body apart. */
export function attributesToJson(envelope: Envelope): string {
  let text = `{"specversion":"${specversion}"`
  eachAttribute(envelope, (name, value) => {
    text += `,"${name}":${attributeKinds[name] === 'integer' ? String(value) : JSON.stringify(attributeText(value))}`
  })
  if (envelope.headers !== undefined) {
    const { own, extensions } = splitHeaders(envelope.headers)
    for (const [name, value] of extensions) text += `,"${name}":${JSON.stringify(value)}`
    // CloudEvents attributes are scalars, and their names have no hyphens: the headers travel as one text.
    if (own.length > 0) text += `,"sluiceheaders":${JSON.stringify(JSON.stringify(Object.fromEntries(own)))}`
  }
  return `${text}}`
}

function dataMember(envelope: Envelope): string {
  const { body, datacontenttype, datacontentencoding } = envelope
  if (body.length === 0) return ''
  if (datacontentencoding === undefined && isJsonType(datacontenttype)) {
    const json = jsonToEmbed(body)
    if (json !== undefined) return `,"data":${json}`
  } else if (datacontentencoding === undefined && typeof body === 'string') return `,"data":${JSON.stringify(body)}`
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return `,"data_base64":"${bytes.toString('base64')}"`
}

// A body may come from a stranger and be anything (a dead letter of undecodable bytes): pasted in unchecked, it could
// close the object and go on with attributes of its own.
function jsonToEmbed(body: string | Uint8Array): string | undefined {
  try {
    const text = typeof body === 'string' ? body : decodeUtf8(body)
    if (isSpace(text.charCodeAt(0)) || isSpace(text.charCodeAt(text.length - 1))) return undefined
    checkNesting(text, jsonDepthMax)
    JSON.parse(text)
    return text
  } catch {
    return undefined
  }
}

/**
 * Reads CloudEvents JSON, ours or a stranger's. Unknown extension attributes are kept as headers `ce-<name>`.
 * @throws SluiceError UNDECODABLE: not JSON, not one object, another `specversion`, a required attribute missing, any
 * attribute against its rule, a member twice, both kinds of data. MESSAGE_TOO_LARGE, MESSAGE_TOO_DEEP, INVALID_HEADER.
 */
export function fromStructured(message: string | Uint8Array, options: ReadOptions): Envelope {
  const bytesMax = options.bytesMax ?? messageBytesMaxDefault
  // Base64 takes a third more, escapes in attributes up to six times; the exact bound is checked on the result.
  if (message.length > bytesMax * 2 + 65_536) throw tooLarge(message.length, bytesMax, 'the structured message')
  const envelope = readAttributes(typeof message === 'string' ? message : decodeUtf8(message), options.receivedAtMs)
  checkSize(envelope, bytesMax)
  return envelope
}

/** Reads what {@link attributesToJson} wrote; `body` is added as it is. @throws SluiceError as {@link fromStructured} */
export function attributesFromJson(json: string | Uint8Array, body: string | Uint8Array): Envelope {
  return { ...readAttributes(typeof json === 'string' ? json : decodeUtf8(json), 0), body }
}

function readAttributes(text: string, receivedAtMs: number): Envelope {
  checkNesting(text, jsonDepthMax + 1)
  const members = membersOf(text)
  if (members.get('specversion')?.value !== specversion)
    throw undecodable(members.has('specversion') ? 'the specversion is not "1.0"' : 'it is not a CloudEvent: specversion is missing')
  const draft: Draft = {}
  const headers: Record<string, string> = {}
  for (const [name, { value }] of members) {
    // null means absent for attributes (JSON format §2.1).
    if (name === 'specversion' || name === 'data' || name === 'data_base64' || value === null) continue
    if (name === 'sluiceheaders') readOwnHeaders(headers, value)
    else if (Object.hasOwn(attributeKinds, name)) readAttribute(draft, name as AttributeName, value)
    else keepExtension(headers, name, value)
  }
  return finishDraft(draft, headers, readData(members, draft.datacontenttype, text), receivedAtMs)
}

function readData(members: ReadonlyMap<string, Member>, contentType: string | undefined, text: string): string | Uint8Array {
  const data = members.get('data')
  const base64 = members.get('data_base64')
  if (base64 !== undefined && base64.value !== null) {
    if (data !== undefined) throw undecodable('it has data and data_base64')
    return readBase64(base64.value)
  }
  if (data === undefined) return ''
  if (isJsonType(contentType)) return text.slice(data.start, data.end)
  if (typeof data.value === 'string' && data.value.isWellFormed()) return data.value
  if (data.value === null) return ''
  throw undecodable('its data is no text, but its datacontenttype is not JSON')
}

function readBase64(value: unknown): Uint8Array {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'base64')
    // Buffer skips what it does not know; only the canonical form comes back as it was.
    if (bytes.toString('base64') === value) return bytes
  }
  throw undecodable('data_base64 is not base64')
}

function readOwnHeaders(headers: Record<string, string>, value: unknown): void {
  let own: unknown
  try {
    own = typeof value === 'string' ? JSON.parse(value) : undefined
  } catch {
    own = undefined
  }
  if (typeof own !== 'object' || own === null || Array.isArray(own)) throw undecodable('sluiceheaders is not a JSON object as text')
  for (const [name, text] of Object.entries(own)) {
    // An extension in here would be a forged attribute for whoever copies the message.
    if (typeof text !== 'string' || name.startsWith('ce-') || name === '__proto__')
      throw new SluiceError('INVALID_HEADER', 'a header in sluiceheaders is not allowed')
    headers[name] = text
  }
}

interface Member {
  readonly value: unknown
  /** Where its JSON stands in the text. */
  readonly start: number
  readonly end: number
}

// JSON.parse has said that it is JSON; here the members of the outermost object are found, so that data keeps its
// very bytes (1.0, spaces, big integers) and a member that stands twice is noticed (readers differ on which counts).
function membersOf(text: string): ReadonlyMap<string, Member> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw undecodable('it is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw undecodable('it is not a JSON object')
  const values = parsed as Readonly<Record<string, unknown>>
  const members = new Map<string, Member>()
  let at = skipSpace(text, text.indexOf('{') + 1)
  while (text.charCodeAt(at) === 0x22) {
    const endOfName = endOfString(text, at) + 1
    const name = JSON.parse(text.slice(at, endOfName)) as string
    const start = skipSpace(text, skipSpace(text, endOfName) + 1)
    const end = endOfValue(text, start)
    if (members.has(name)) throw undecodable('it has a member twice')
    members.set(name, { value: values[name], start, end })
    at = skipSpace(text, end)
    if (text.charCodeAt(at) !== 0x2c) break
    at = skipSpace(text, at + 1)
  }
  return members
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === 0x22) return endOfString(text, start) + 1
  let depth = 0
  for (let at = start; ; at++) {
    const char = text.charCodeAt(at)
    if (char === 0x22) at = endOfString(text, at)
    else if (char === 0x7b || char === 0x5b) depth++
    else if (char === 0x7d || char === 0x5d) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (char === 0x2c || isSpace(char))) return at
  }
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x0a || char === 0x0d || char === 0x09
}

function undecodable(why: string): SluiceError {
  return new SluiceError('UNDECODABLE', `a structured message cannot be read: ${why}`)
}
