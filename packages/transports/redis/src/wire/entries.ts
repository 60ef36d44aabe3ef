/** Reading stream entries (fields.ts says what their fields are): a message costs as little as it can where all bytes are ASCII. */
import { Buffer } from 'node:buffer'
import { type Envelope, fromBinary, fromStructured, isSluiceError, sizeOf } from '@sluice/core/transport'
import { readArray, readBytes, readNumber, readText, type Source, skipNull } from '../resp/reply.ts'
import { type Attribute, numberAttributes, textAttributes } from './fields.ts'
import { msOf, type Position, toPosition } from './position.ts'

const known: ReadonlyMap<string, Attribute> = new Map(
  (['id', 'type', 'source', 'time', ...textAttributes, ...numberAttributes] as readonly Attribute[]).map((name) => [`ce_${name}`, name]),
)
const numbers: ReadonlySet<string> = new Set(numberAttributes)

/** No message is larger; `size` that says more, or is no number, is a stranger's. */
const sizeBytesMax = 64 * 1024 * 1024

/** A message as it was read from a stream or a packed copy. */
export interface StoredMessage {
  readonly envelope: Envelope
  readonly sizeBytes: number
}

/** An entry of the log. */
export interface LogEntry extends StoredMessage {
  readonly position: Position
}

/** Reads the array of entries that is next (an answer of XRANGE, or a stream's part of XREAD's). */
export function readEntries(source: Source): LogEntry[] {
  const count = readArray(source)
  const entries: LogEntry[] = []
  for (let i = 0; i < count; i++) {
    readArray(source)
    const position = toPosition(readText(source))
    // An entry that was deleted while it was read has no fields.
    if (skipNull(source)) continue
    entries.push(readEntry(source, position))
  }
  return entries
}

// What a field is: an attribute, or one of these.
type Field = Attribute | 'specversion' | 'size' | 'data' | undefined

/** Fields as the last message had them: writers repeat themselves, so that a name is compared as a whole and not looked up. */
const layout: { readonly encoded: string; readonly field: Field }[] = []
// Of these, the last value with its length: nearly always the same.
let lastType = ''
let lastTypeEncoded = '!'
let lastSource = ''
let lastSourceEncoded = '!'

type Draft = { -readonly [Name in keyof Envelope]?: Envelope[Name] }

function readEntry(source: Source, position: Position): LogEntry {
  const { at } = source
  const entry = source.text === undefined ? undefined : readPlain(source, source.text, position)
  if (entry !== undefined) return entry
  source.at = at
  return readAny(source, position)
}

/** A message of ours whose bytes are all ASCII; undefined: something else, to be read from its start. */
function readPlain(source: Source, text: string, position: Position): LogEntry | undefined {
  const words = readArray(source)
  const draft: Draft = {}
  let sizeBytes = 0
  for (let i = 0; i < words; i += 2) {
    const field = plainField(source, text, i >>> 1)
    if (field === undefined) return undefined
    if (field === 'type' && text.startsWith(lastTypeEncoded, source.at)) {
      source.at += lastTypeEncoded.length
      draft.type = lastType
      continue
    }
    if (field === 'source' && text.startsWith(lastSourceEncoded, source.at)) {
      source.at += lastSourceEncoded.length
      draft.source = lastSource
      continue
    }
    source.at++
    const length = readNumber(source)
    const from = source.at
    source.at = from + length + 2
    if (field === 'specversion') continue
    const value = text.slice(from, from + length)
    if (field === 'size') sizeBytes = Number(value)
    else if (field === 'data') draft.body = value
    else setAttribute(draft, field, value)
  }
  return isOurs(draft, sizeBytes) ? { position, envelope: draft, sizeBytes } : undefined
}

/** Whether it is as we write it, and need not be read as strictly as a stranger's. */
function isOurs(draft: Draft, sizeBytes: number): draft is Draft & Envelope {
  const { body, id, type, source, time, schemaversion = 0, attempt = 0, producerepoch = 0, producerseq = 0 } = draft
  if (body === undefined || !id || !type || !source || !time) return false
  return sizeBytes > 0 && sizeBytes <= sizeBytesMax && Number.isInteger(schemaversion + attempt + producerepoch + producerseq)
}

function setAttribute(draft: Draft, field: Attribute, value: string): void {
  switch (field) {
    case 'id':
      draft.id = value
      return
    case 'time':
      draft.time = value
      return
    case 'partitionkey':
      draft.partitionkey = value
      return
    case 'type':
      draft.type = value
      lastType = value
      lastTypeEncoded = `$${value.length}\r\n${value}\r\n`
      return
    case 'source':
      draft.source = value
      lastSource = value
      lastSourceEncoded = `$${value.length}\r\n${value}\r\n`
      return
    default:
      Object.assign(draft, { [field]: numbers.has(field) ? Number(value) : value })
  }
}

function plainField(source: Source, text: string, index: number): Field {
  const expected = layout[index]
  if (expected !== undefined && text.startsWith(expected.encoded, source.at)) {
    source.at += expected.encoded.length
    return expected.field
  }
  const from = source.at
  const name = readText(source)
  const field = name === 'size' || name === 'data' ? name : name === 'ce_specversion' ? 'specversion' : known.get(name)
  // Headers, tags and bytes are read the other way.
  if (field !== undefined && index < 32) layout[index] = { encoded: text.slice(from, source.at), field }
  return field
}

function readAny(source: Source, position: Position): LogEntry {
  const words = readArray(source)
  const draft: { [Name in Attribute]?: unknown } = {}
  let headers: Record<string, string> | undefined
  let body: string | Uint8Array | undefined
  let sizeBytes = 0
  let foreign: Record<string, string> | undefined
  for (let i = 0; i < words; i += 2) {
    const name = readText(source)
    const attribute = known.get(name)
    if (attribute !== undefined) {
      const text = readText(source)
      draft[attribute] = numbers.has(attribute) ? Number(text) : text
    } else if (name === 'data') body = readText(source)
    else if (name === 'data_binary') body = readBytes(source)
    else if (name === 'size') sizeBytes = Number(readText(source))
    else if (name === 'ce_specversion') readText(source)
    else if (name === 'ce_tags') draft.tags = readText(source).split(',')
    else if (name.startsWith('h:')) {
      headers ??= {}
      Object.defineProperty(headers, name.slice(2), { value: readText(source), enumerable: true, configurable: true, writable: true })
    } else {
      foreign ??= {}
      foreign[name] = readText(source)
    }
  }
  const envelope = { ...draft, ...(headers === undefined ? {} : { headers }), ...(body === undefined ? {} : { body }) } as Draft
  if (isOurs(envelope, sizeBytes)) return { position, envelope, sizeBytes }
  return { position, ...readForeign(draft, headers, body, foreign ?? {}, position) }
}

function textOr(value: unknown, instead: string): string {
  return typeof value === 'string' && value !== '' ? value : instead
}

/** What another client wrote: completed and checked; what cannot be read is passed on as it is, for the core to dead-letter. */
function readForeign(
  draft: { readonly [Name in Attribute]?: unknown },
  headers: Readonly<Record<string, string>> | undefined,
  body: string | Uint8Array | undefined,
  rest: Readonly<Record<string, string>>,
  position: Position,
): StoredMessage {
  const receivedAtMs = msOf(position)
  const options = { receivedAtMs, bytesMax: sizeBytesMax }
  try {
    let envelope: Envelope
    if (body === undefined && rest.event !== undefined) envelope = fromStructured(rest.event, options)
    else {
      const pairs: Record<string, unknown> = { ce_specversion: '1.0', ...rest, ...headers }
      for (const [name, value] of Object.entries(draft)) pairs[`ce_${name}`] = Array.isArray(value) ? value.join(',') : value
      envelope = fromBinary('ce_', { headers: pairs, body: body ?? '' }, options)
    }
    return { envelope, sizeBytes: sizeOf(envelope) }
  } catch (error) {
    const why = isSluiceError(error) ? error.message : 'it cannot be read'
    const envelope: Envelope = {
      id: textOr(draft.id, position),
      type: textOr(draft.type, 'undecodable'),
      source: textOr(draft.source, 'unknown'),
      time: new Date(receivedAtMs).toISOString(),
      datacontenttype: 'application/octet-stream',
      headers: { 'undecodable-because': why.replace(/[\r\n\0]/g, ' ') },
      body: typeof body === 'string' ? Buffer.from(body) : (body ?? new Uint8Array(0)),
    }
    return { envelope, sizeBytes: sizeOf(envelope) }
  }
}
