import { type Envelope, fromBinary, newId, toBinary } from '@sluice/core/transport'
import type { Message, Options } from 'amqplib'
import { typeOf } from './names.ts'

/** Largest message, attributes and body, bytes: a sixteenth of what RabbitMQ itself allows. */
export const messageBytesMax: number = 16 * 1024 * 1024

/** Headers of this transport's own; they are not the application's. */
const own = 'sluice-'

/** A message as amqplib sends it. */
export interface WireMessage {
  readonly content: Buffer
  readonly properties: Options.Publish
}

/** A message as it was read: its envelope and what this transport wrote beside it. */
export interface ReadMessage {
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
}

/** CloudEvents in binary mode (`ce_` headers), persistent; `extra`: headers of this transport. */
export function toWire(envelope: Envelope, sizeBytes: number, storedAtMs: number, extra?: Readonly<Record<string, string | number>>): WireMessage {
  const { contentType, headers, body } = toBinary('ce_', envelope)
  const isText = typeof body === 'string'
  return {
    content: isText ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    properties: {
      contentType,
      messageId: envelope.id,
      persistent: true,
      headers: { ...headers, 'sluice-stored': storedAtMs, 'sluice-size': sizeBytes, ...(isText ? { 'sluice-text': 1 } : {}), ...extra },
    },
  }
}

/**
 * Reads what {@link toWire} or a stranger wrote: CloudEvents in binary mode, or in structured mode by their content type.
 * A stranger's message without `ce_` headers is an event of the type that its property `type` or its routing key says.
 */
export function fromWire(message: Message, nowMs: number): ReadMessage {
  const headers: Readonly<Record<string, unknown>> = message.properties.headers ?? {}
  const contentType: unknown = message.properties.contentType
  const body = headers['sluice-text'] === undefined ? new Uint8Array(message.content) : message.content.toString()
  const kept: [string, unknown][] = []
  let isEvent = false
  for (const name in headers) {
    if (name.startsWith(own) || brokerHeaders.has(name)) continue
    kept.push([name, headers[name]])
    if (name === 'ce_specversion') isEvent = true
  }
  const about = { storedAtMs: numberOf(headers['sluice-stored']) ?? nowMs, sizeBytes: numberOf(headers['sluice-size']) ?? message.content.length + 200 }
  const text = typeof contentType === 'string' ? contentType : undefined
  if (!isEvent && text?.startsWith('application/cloudevents') !== true) return { envelope: strange(message, nowMs), ...about }
  try {
    return { envelope: fromBinary('ce_', { contentType: text, headers: kept, body }, { receivedAtMs: nowMs, bytesMax: messageBytesMax * 2 }), ...about }
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
