/** The official CloudEvents SDK reads what we write, and we read what it writes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CloudEvent, HTTP, Kafka, type KafkaMessage, type Message } from 'cloudevents'
import { CodecRegistry } from '../codec.ts'
import type { Envelope } from '../envelope.ts'
import { fromBinary, toBinary } from './binary.ts'
import { fromStructured, structuredContentType, toStructured } from './structured.ts'

const options = { receivedAtMs: 0 }
const data = { orderId: 'A1', total: 42.5, name: 'Zoë 😀' }
const ours: Envelope = {
  id: '0192f6a0-0000-7000-8000-000000000001',
  type: 'shop.order.placed',
  source: 'order',
  time: '2026-01-31T12:00:00.000Z',
  // No space: the SDK does not decode what the HTTP binding (1.0.2, 3.1.3.2) tells senders to percent-encode.
  subject: 'order-A1',
  partitionkey: 'A1',
  schemaversion: 2,
  correlationid: 'c-1',
  tags: ['eu', 'vip'],
  producerseq: 12,
  headers: { tenant: 'acme' },
  body: JSON.stringify(data),
}
const theirs = new CloudEvent({
  id: 'x-1',
  type: 'com.example.placed',
  source: '/shop',
  time: '2026-01-31T12:00:00.000Z',
  subject: 'é',
  partitionkey: 'A1',
  comexampleext: 'value',
  data,
})

const one = (event: unknown): CloudEvent<unknown> => event as CloudEvent<unknown>

describe('the official SDK reads ours', () => {
  const check = (event: CloudEvent<unknown>): void => {
    assert.equal(event.id, ours.id)
    assert.equal(event.type, ours.type)
    assert.equal(event.source, ours.source)
    assert.equal(new Date(event.time as string).getTime(), Date.parse(ours.time))
    assert.equal(event.subject, ours.subject)
    assert.equal(event['partitionkey'], 'A1')
    assert.equal(Number(event['schemaversion']), 2)
    assert.equal(event['tags'], 'eu,vip')
    assert.equal(event['producerseq'], '12')
    assert.deepEqual(event.data, data)
    event.validate()
  }
  it('structured', () => check(one(HTTP.toEvent({ headers: { 'content-type': structuredContentType }, body: toStructured(ours) }))))
  it('binary over HTTP', () => {
    const { contentType, headers, body } = toBinary('ce-', ours)
    check(one(HTTP.toEvent({ headers: { ...headers, 'content-type': contentType }, body })))
  })
  it('binary over Kafka', () => {
    const { contentType, headers, body } = toBinary('ce_', ours)
    const message = { headers: { ...headers, 'content-type': contentType }, key: 'A1', value: body, body, timestamp: '0' } as unknown as KafkaMessage
    check(one(Kafka.toEvent(message as unknown as Message)))
  })
  it('bytes as data_base64', () => {
    const bytes = Uint8Array.from([0, 1, 254, 255])
    const event = one(
      HTTP.toEvent({
        headers: { 'content-type': structuredContentType },
        body: toStructured({ ...ours, datacontenttype: 'application/octet-stream', body: bytes }),
      }),
    )
    assert.deepEqual([...(event.data as Uint8Array)], [...bytes])
  })
  it('no data', () =>
    assert.equal(one(HTTP.toEvent({ headers: { 'content-type': structuredContentType }, body: toStructured({ ...ours, body: '' }) })).data, undefined))
})

describe('we read the official SDK', () => {
  const check = (envelope: Envelope): void => {
    assert.equal(envelope.id, 'x-1')
    assert.equal(envelope.type, 'com.example.placed')
    assert.equal(envelope.source, '/shop')
    assert.equal(Date.parse(envelope.time), Date.parse('2026-01-31T12:00:00Z'))
    assert.equal(envelope.partitionkey, 'A1')
    assert.equal(envelope.headers?.['ce-comexampleext'], 'value')
    assert.deepEqual(new CodecRegistry().decode(envelope), data)
  }
  it('structured', () => {
    const message = HTTP.structured(theirs)
    check(fromStructured(message.body as string, options))
    check(fromBinary('ce-', { headers: message.headers as Record<string, unknown>, body: message.body as string }, options))
  })
  it('binary over HTTP', () => {
    // The SDK writes the subject as it is, not percent-encoded; both are read.
    const message = HTTP.binary(theirs)
    check(fromBinary('ce-', { headers: message.headers as Record<string, unknown>, body: message.body as string }, options))
  })
  it('binary over Kafka', () => {
    const message = Kafka.binary(theirs) as KafkaMessage
    const value = typeof message.value === 'string' ? message.value : JSON.stringify(message.value)
    check(fromBinary('ce_', { headers: message.headers as Record<string, unknown>, body: value }, options))
  })
  it('bytes', () => {
    const message = HTTP.structured(
      new CloudEvent({ id: '1', type: 't', source: '/s', datacontenttype: 'application/octet-stream', data: Uint8Array.from([0, 255]) }),
    )
    assert.deepEqual([...(new CodecRegistry().decode(fromStructured(message.body as string, options)) as Uint8Array)], [0, 255])
  })
})
