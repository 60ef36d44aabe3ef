/** Messages as records: CloudEvents in binary mode (`ce_` headers), the key as the record's key. */
import { type Envelope, fromBinary, newId, toBinary } from '@sluice/core/transport'
import type { KafkaRecord, NewRecord } from './protocol/records.ts'

/** Headers of this transport's own; they are not the application's. */
const own = 'sluice-'
const undecodable = 'application/x-undecodable'
/** Larger ones of strangers are not read, bytes. */
const readBytesMax = 128 * 1024 * 1024

/** A message as it was read. */
export interface ReadMessage {
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
}

/** `extra`: names and values of headers of this transport, in turn. */
export function toRecord(envelope: Envelope, sizeBytes: number, extra: readonly string[] = []): NewRecord {
  const { contentType, headers, body } = toBinary('ce_', envelope)
  const list: string[] = ['content-type', contentType]
  for (const name in headers) list.push(name, headers[name] as string)
  list.push('sluice-size', String(sizeBytes))
  if (typeof body === 'string') list.push('sluice-text', '')
  return { key: envelope.partitionkey ?? null, value: body, headers: extra.length === 0 ? list : [...list, ...extra] }
}

/** Reads what {@link toRecord} or a stranger wrote: CloudEvents in binary or structured mode, or anything else. */
export function fromRecord(record: KafkaRecord, topic: string): ReadMessage {
  const kept: [string, unknown][] = []
  let contentType: string | undefined
  let isEvent = false
  let isText = false
  let sizeBytes: number | undefined
  for (const [name, value] of record.headers) {
    if (name.startsWith(own)) {
      if (name === 'sluice-text') isText = true
      else if (name === 'sluice-size') sizeBytes = Number(value)
      continue
    }
    if (name === 'content-type') contentType = value?.toString()
    else kept.push([name, value])
    if (name === 'ce_specversion') isEvent = true
  }
  const value = record.value ?? Buffer.alloc(0)
  const about = { storedAtMs: record.timestampMs, sizeBytes: sizeBytes ?? value.length + 200 }
  if (!isEvent && contentType?.startsWith('application/cloudevents') !== true) return { envelope: strange(record, topic, contentType), ...about }
  // A copy: the answer that it came in is not kept in memory for the sake of one message.
  const body = isText ? value.toString() : new Uint8Array(value)
  try {
    const envelope = fromBinary('ce_', { contentType, headers: kept, body }, { receivedAtMs: record.timestampMs, bytesMax: readBytesMax })
    if (isEvent || envelope.partitionkey !== undefined || record.key === null) return { envelope, ...about }
    return { envelope: { ...envelope, ...keyOf(record) }, ...about }
  } catch {
    // In its lane and of its type, but of a content type that nobody decodes: whoever handles the type gives it up, untouched.
    return { envelope: { ...strange(record, topic, contentType), datacontenttype: undecodable }, ...about }
  }
}

function strange(record: KafkaRecord, topic: string, contentType: string | undefined): Envelope {
  const text = (wanted: string): string | undefined => record.headers.find(([name]) => name === wanted)?.[1]?.toString()
  const named = (value: string | undefined): value is string => value !== undefined && value !== '' && Buffer.byteLength(value) < 256
  const [id, type] = [text('ce_id'), text('ce_type')]
  return {
    id: named(id) ? id : newId(record.timestampMs),
    type: named(type) ? type : 'unknown',
    source: `kafka:${encodeURIComponent(topic)}`,
    time: new Date(Math.max(0, record.timestampMs)).toISOString(),
    datacontenttype: contentType ?? 'application/octet-stream',
    ...keyOf(record),
    body: new Uint8Array(record.value ?? []),
  }
}

function keyOf({ key }: KafkaRecord): { readonly partitionkey?: string } {
  return key === null || key.length === 0 || key.length > 255 ? {} : { partitionkey: key.toString() }
}
