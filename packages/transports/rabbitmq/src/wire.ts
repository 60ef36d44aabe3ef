import { type Envelope, fromBinary, newId } from '@sluice/core/transport'
import type { Message, Options } from 'amqplib'
import { typeOf } from './names.ts'

/** Largest message, attributes and body, bytes: a sixteenth of what RabbitMQ itself allows. */
export const messageBytesMax: number = 16 * 1024 * 1024

/** Headers of this transport's own; they are not the application's. */
const own = 'sluice-'

/**
 * What this transport says of a message, in one header, because the server decodes each: when it was stored (ms since the
 * epoch), its size (bytes), whether its body is text (`t`) or bytes (`b`), and of a numbered one `producerepoch`,
 * `producerseq` and `producerid`: `1795299644204;294;t;0;17;01a2…/3`.
 */
const aboutHeader = 'sluice-about'
const aboutText = /^(\d{1,15});(\d{1,10});([tb])(?:;(\d{1,16});(\d{1,16});(.+))?$/s

/** A message as it is published. */
export interface WireMessage {
  readonly content: Buffer | string
  readonly properties: Options.Publish
}

/** A message as it was read: its envelope and what this transport wrote beside it. */
export interface ReadMessage {
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
}

type Headers = Readonly<Record<string, unknown>>
type Draft = { -readonly [Name in keyof Envelope]: Envelope[Name] }

/** Attributes by their header: those that go as they are. */
const attributes: ReadonlyMap<string, keyof Envelope> = new Map(
  (
    [
      'id',
      'type',
      'source',
      'time',
      'partitionkey',
      'subject',
      'datacontentencoding',
      'dataschema',
      'sequence',
      'schemaversion',
      'correlationid',
      'causationid',
      'traceparent',
      'tracestate',
      'expirytime',
      'notbefore',
      'attempt',
      'tags',
      'replyto',
      'replyfor',
    ] as const
  ).map((name) => [`ce_${name}`, name]),
)
const always: ReadonlySet<keyof Envelope> = new Set(['id', 'type', 'source', 'time', 'partitionkey'])
const isAlways: ReadonlySet<string> = new Set(['ce_specversion', aboutHeader, ...[...always].map((name) => `ce_${name}`)])
const rarer: readonly (readonly [string, keyof Envelope])[] = [...attributes].filter(([, name]) => !always.has(name))

/** CloudEvents in binary mode (`ce_` headers), persistent; `extra`: headers of this transport. */
export function toWire(envelope: Envelope, sizeBytes: number, storedAtMs: number, extra?: Readonly<Record<string, string | number>>): WireMessage {
  const { id, type, source, time, partitionkey, producerid, producerepoch, producerseq, body } = envelope
  const isText = typeof body === 'string'
  const about = `${storedAtMs};${sizeBytes};${isText ? 't' : 'b'}`
  const headers: Record<string, string | number> = { ce_specversion: '1.0', ce_id: id, ce_type: type, ce_source: source, ce_time: time }
  if (partitionkey !== undefined) headers.ce_partitionkey = partitionkey
  headers[aboutHeader] = producerid === undefined ? about : `${about};${producerepoch ?? 0};${producerseq ?? 0};${producerid}`
  for (const [header, name] of rarer) {
    const value = envelope[name]
    if (value !== undefined) headers[header] = Array.isArray(value) ? value.join(',') : String(value)
  }
  if (envelope.headers !== undefined)
    for (const [name, value] of Object.entries(envelope.headers)) headers[name.startsWith('ce-') ? `ce_${name.slice(3)}` : name] = value
  return {
    content: isText ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    properties: {
      contentType: envelope.datacontenttype ?? 'application/json',
      messageId: id,
      persistent: true,
      headers: extra === undefined ? headers : { ...headers, ...extra },
    },
  }
}

/** Headers of a message that is stored again, later. */
export function storedAgain(headers: Headers, nowMs: number): Record<string, unknown> {
  const about = headers[aboutHeader]
  return typeof about === 'string' ? { ...headers, [aboutHeader]: about.replace(/^\d+/, String(nowMs)) } : { ...headers }
}

/**
 * Reads what {@link toWire} or a stranger wrote: CloudEvents in binary mode, or in structured mode by their content type.
 * A stranger's message without `ce_` headers is an event of the type that its property `type` or its routing key says.
 */
export function fromWire(message: Message, nowMs: number): ReadMessage {
  const headers: Headers = message.properties.headers ?? {}
  const contentType: unknown = message.properties.contentType
  const text = typeof contentType === 'string' ? contentType : undefined
  const about = headers[aboutHeader]
  return (typeof about === 'string' ? ownMessage(headers, about, text, message.content) : undefined) ?? foreign(message, headers, text, nowMs)
}

/** What {@link toWire} wrote was checked by its sender; undefined: it looks like that, but is something else. */
export function ownMessage(headers: Headers, aboutValue: string, contentType: string | undefined, content: Buffer): ReadMessage | undefined {
  const about = aboutText.exec(aboutValue)
  if (about === null || headers.ce_specversion !== '1.0') return undefined
  const [, storedAtMs, sizeBytes, kind, producerepoch, producerseq, producerid] = about
  const { ce_id: id, ce_type: type, ce_source: source, ce_time: time, ce_partitionkey: key } = headers
  if (typeof id !== 'string' || typeof type !== 'string' || typeof source !== 'string' || typeof time !== 'string') return undefined
  const draft: Draft = { id, type, source, time, body: kind === 't' ? content.toString() : new Uint8Array(content) }
  if (typeof key === 'string') draft.partitionkey = key
  if (contentType !== undefined && contentType !== 'application/json') draft.datacontenttype = contentType
  if (producerid !== undefined) {
    draft.producerid = producerid
    draft.producerepoch = Number(producerepoch)
    draft.producerseq = Number(producerseq)
  }
  let others: Record<string, string> | undefined
  for (const header in headers) {
    if (isAlways.has(header)) continue
    const value = headers[header]
    const name = attributes.get(header)
    if (name === undefined) {
      if (header.startsWith(own) || brokerHeaders.has(header)) continue
      if (typeof value !== 'string') return undefined
      others ??= {}
      others[header.startsWith('ce_') ? `ce-${header.slice(3)}` : header] = value
    } else if (typeof value !== 'string') return undefined
    else setAttribute(draft, name, value)
  }
  if (others !== undefined) draft.headers = others
  return { envelope: draft, storedAtMs: Number(storedAtMs), sizeBytes: Number(sizeBytes) }
}

function setAttribute(draft: Draft, name: keyof Envelope, value: string): void {
  if (name === 'tags') draft.tags = value.split(',')
  else if (name === 'schemaversion' || name === 'attempt') draft[name] = Number(value)
  else Object.assign(draft, { [name]: value })
}

function foreign(message: Message, headers: Headers, contentType: string | undefined, nowMs: number): ReadMessage {
  const kept: [string, unknown][] = []
  let isEvent = false
  for (const name in headers) {
    if (name.startsWith(own) || brokerHeaders.has(name)) continue
    kept.push([name, headers[name]])
    if (name === 'ce_specversion') isEvent = true
  }
  const about = { storedAtMs: nowMs, sizeBytes: message.content.length + 200 }
  if (!isEvent && contentType?.startsWith('application/cloudevents') !== true) return { envelope: strange(message, nowMs), ...about }
  const body = new Uint8Array(message.content)
  try {
    return { envelope: fromBinary('ce_', { contentType, headers: kept, body }, { receivedAtMs: nowMs, bytesMax: messageBytesMax * 2 }), ...about }
  } catch {
    // In its lane and of its type, but of a content type that nobody decodes: whoever handles the type gives it up, untouched.
    return { envelope: { ...strange(message, nowMs), datacontenttype: 'application/x-undecodable' }, ...about }
  }
}

const brokerHeaders: ReadonlySet<string> = new Set([
  'x-delivery-count',
  'x-death',
  'x-first-death-queue',
  'x-first-death-reason',
  'x-first-death-exchange',
  'x-stream-offset',
])

function strange({ properties, fields, content }: Message, nowMs: number): Envelope {
  const { messageId, type, contentType, headers = {} } = properties
  const { ce_type: eventType, ce_partitionkey: key } = headers
  return {
    id: isName(messageId) ? messageId : newId(nowMs),
    type: [eventType, type, typeOf(fields.routingKey)].find(isName) ?? 'unknown',
    source: `amqp:${encodeURIComponent(fields.exchange)}`,
    time: new Date(nowMs).toISOString(),
    datacontenttype: isName(contentType) ? contentType : 'application/octet-stream',
    ...(isName(key) ? { partitionkey: key } : {}),
    body: new Uint8Array(content),
  }
}

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length < 256

/** A header of this transport as a number. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
