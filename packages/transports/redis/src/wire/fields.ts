/**
 * A message as the fields of a stream entry: CloudEvents attributes as `ce_<name>`, the application's headers as
 * `h:<name>`, the data as `data` (text) or `data_binary` (bytes), and `size`, as the core counted it. Any client of Redis
 * can write and read it. A foreign entry may instead have one field `event`: a CloudEvent in structured JSON.
 */
import type { Envelope } from '@sluice/core/transport'
import { type Commands, encodeWord } from '../resp/command.ts'

/** An attribute that travels as a field of its own. */
export type Attribute = Exclude<keyof Envelope, 'body' | 'headers'>

/** Attributes that are there only sometimes, as text. */
export const textAttributes: readonly Attribute[] = [
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
/** … and as decimal digits. */
export const numberAttributes: readonly Attribute[] = ['schemaversion', 'attempt', 'producerepoch', 'producerseq']

const optional: readonly (readonly [Attribute, string])[] = [...textAttributes, ...numberAttributes].map((name) => [name, encodeWord(`ce_${name}`)])
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
