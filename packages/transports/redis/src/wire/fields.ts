/**
 * A message as the fields of a stream entry: CloudEvents attributes as `ce_<name>`, the application's headers as
 * `h:<name>`, the data as `data` (text) or `data_binary` (bytes), and `size`, as the core counted it. Any client of Redis
 * can write and read it. A foreign entry may instead have one field `event`: a CloudEvent in structured JSON.
 */
import { Buffer } from 'node:buffer'
import { type Envelope, fromBinary, fromStructured, isSluiceError, sizeOf } from '@sluice/core/transport'
import { type Commands, encodeWord } from '../resp/command.ts'
import { readArray, readBytes, readText, type Source, skipNull } from '../resp/reply.ts'
import { msOf, type Position, toPosition } from './position.ts'

type Attribute = Exclude<keyof Envelope, 'body' | 'headers'>

const textAttributes: readonly Attribute[] = [
  'subject',
  'datacontenttype',
  'datacontentencoding',
  'dataschema',
  'partitionkey',
  'sequence',
  'correlationid',
  'causationid',
  'traceparent',
  'tracestate',
  'expirytime',
  'notbefore',
  'replyto',
  'replyfor',
  'producerid',
]
const numberAttributes: readonly Attribute[] = ['schemaversion', 'attempt', 'producerepoch', 'producerseq']

const optional: readonly (readonly [Attribute, string])[] = [...textAttributes, ...numberAttributes].map((name) => [name, encodeWord(`ce_${name}`)])
const known: ReadonlyMap<string, Attribute> = new Map(
  (['id', 'type', 'source', 'time', ...textAttributes, ...numberAttributes] as readonly Attribute[]).map((name) => [`ce_${name}`, name]),
)
const numbers: ReadonlySet<string> = new Set(numberAttributes)

const version = encodeWord('ce_specversion') + encodeWord('1.0')
const [idName, typeName, sourceName, timeName, tagsName, sizeName, dataName, binaryName] = [
  'ce_id',
  'ce_type',
  'ce_source',
  'ce_time',
  'ce_tags',
  'size',
  'data',
  'data_binary',
].map(encodeWord) as [string, string, string, string, string, string, string, string]

/** Number of words that {@link writeFields} adds. */
export function fieldWords(envelope: Envelope): number {
  let fields = 7
  for (const [name] of optional) if (envelope[name] !== undefined) fields++
  if (envelope.tags !== undefined) fields++
  if (envelope.headers !== undefined) fields += Object.keys(envelope.headers).length
  return fields * 2
}

/** Adds a message's fields to a command. */
export function writeFields(commands: Commands, envelope: Envelope, sizeBytes: number): void {
  commands.raw(version + idName)
  commands.word(envelope.id)
  commands.raw(typeName)
  commands.word(envelope.type)
  commands.raw(sourceName)
  commands.word(envelope.source)
  commands.raw(timeName)
  commands.word(envelope.time)
  for (const [name, encoded] of optional) {
    const value = envelope[name]
    if (value === undefined) continue
    commands.raw(encoded)
    commands.word(String(value))
  }
  if (envelope.tags !== undefined) {
    commands.raw(tagsName)
    commands.word(envelope.tags.join(','))
  }
  for (const [name, value] of Object.entries(envelope.headers ?? {})) {
    commands.word(`h:${name}`)
    commands.word(value)
  }
  commands.raw(sizeName)
  commands.word(sizeBytes)
  commands.raw(typeof envelope.body === 'string' ? dataName : binaryName)
  commands.word(envelope.body)
}

/** The fields as a flat list, for {@link pack}. */
export function fieldList(envelope: Envelope, sizeBytes: number): (string | Uint8Array)[] {
  const list: (string | Uint8Array)[] = ['ce_specversion', '1.0', 'ce_id', envelope.id, 'ce_type', envelope.type]
  list.push('ce_source', envelope.source, 'ce_time', envelope.time)
  for (const [name] of optional) if (envelope[name] !== undefined) list.push(`ce_${name}`, String(envelope[name]))
  if (envelope.tags !== undefined) list.push('ce_tags', envelope.tags.join(','))
  for (const [name, value] of Object.entries(envelope.headers ?? {})) list.push(`h:${name}`, value)
  list.push('size', String(sizeBytes), typeof envelope.body === 'string' ? 'data' : 'data_binary', envelope.body)
  return list
}

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

function readEntry(source: Source, position: Position): LogEntry {
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
  if (sizeBytes > 0 && draft.id !== undefined && body !== undefined) {
    const envelope = { ...draft, ...(headers === undefined ? {} : { headers }), body } as unknown as Envelope
    return { position, envelope, sizeBytes }
  }
  return { position, ...readForeign(draft, headers, body, foreign ?? {}, position) }
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
  const options = { receivedAtMs, bytesMax: 64 * 1024 * 1024 }
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
      id: typeof draft.id === 'string' ? draft.id : position,
      type: typeof draft.type === 'string' ? draft.type : 'undecodable',
      source: typeof draft.source === 'string' ? draft.source : 'unknown',
      time: new Date(receivedAtMs).toISOString(),
      datacontenttype: 'application/octet-stream',
      headers: { 'undecodable-because': why.replace(/[\r\n\0]/g, ' ') },
      body: typeof body === 'string' ? Buffer.from(body) : (body ?? new Uint8Array(0)),
    }
    return { envelope, sizeBytes: sizeOf(envelope) }
  }
}
