import { type Envelope, fromBinary, newId, toBinary } from '@sluice/core/transport'
import type { Message, Options } from 'amqplib'

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
 * Reads what {@link toWire} or a stranger wrote. What is no CloudEvent comes as an envelope of type `unknown` with its
 * bytes as they are: who handles it decides.
 */
export function fromWire(message: Message, nowMs: number): ReadMessage {
  const { headers = {}, contentType } = message.properties
  const storedAtMs = numberOf(headers['sluice-stored']) ?? nowMs
  const isText = headers['sluice-text'] !== undefined
  const body = isText ? message.content.toString() : new Uint8Array(message.content)
  const kept: [string, unknown][] = []
  for (const name in headers) if (!name.startsWith(own) && !name.startsWith('x-')) kept.push([name, headers[name]])
  for (const name in headers) if (name.startsWith('x-') && !brokerHeaders.has(name)) kept.push([name, headers[name]])
  let envelope: Envelope
  try {
    envelope = fromBinary('ce_', { contentType, headers: kept, body }, { receivedAtMs: nowMs, bytesMax: messageBytesMax * 2 })
  } catch {
    envelope = strange(message, nowMs)
  }
  return { envelope, storedAtMs, sizeBytes: numberOf(headers['sluice-size']) ?? message.content.length + 200 }
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
  const id: unknown = properties.messageId
  return {
    id: typeof id === 'string' && id !== '' && id.length < 256 ? id : newId(nowMs),
    type: typeof properties.type === 'string' && properties.type !== '' ? properties.type : 'unknown',
    source: `amqp:${fields.exchange}`,
    time: new Date(nowMs).toISOString(),
    datacontenttype: typeof properties.contentType === 'string' ? properties.contentType : 'application/octet-stream',
    body: new Uint8Array(content),
  }
}

/** A header of this transport as a number. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
