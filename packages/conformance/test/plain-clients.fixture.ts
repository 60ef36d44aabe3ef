/** Messages of clients that know nothing of Sluice are consumed, and ours are CloudEvents to them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, event, typed } from '@sluice/core'
import { newId, type TransportFactory } from '@sluice/core/transport'
import { type CloudEventV1, Kafka } from 'cloudevents'
import { eventually } from '../src/probe/probe.ts'

/** Channel, type and group of the test. */
export const place = { channel: 'shop.order', type: 'shop.order.placed', group: 'inventory' } as const

/** What a broker's own client read or writes: `ce_` headers (or fields), and a body. */
export interface PlainMessage {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A plain client of one broker, connected. */
export interface PlainClient {
  /** Writes to the channel, as its documentation page says. */
  write(message: PlainMessage): Promise<void>
  /** Everything of the channel from when the client was made on, until there are `count`. */
  read(count: number): Promise<readonly PlainMessage[]>
  close(): Promise<void>
}

interface Order {
  readonly orderId: string
  readonly n: number
}

const Placed = event(place.type, typed<Order>(), { key: (order) => order.orderId })

export interface Broker {
  readonly name: string
  readonly transport: TransportFactory
  /** A place of its own for this run. */
  url(run: string): string
  plain(url: string, run: string): Promise<PlainClient>
}

const attributes = (n: number): Record<string, string> => ({
  ce_specversion: '1.0',
  ce_id: `plain-${n}`,
  ce_type: place.type,
  ce_source: 'till',
  ce_partitionkey: 'A1',
  'content-type': 'application/json',
})

// The SDK reads the fields of a Kafka message, and its type of the argument does not name them.
function sdkMessage({ key, headers, body }: PlainMessage): Parameters<typeof Kafka.toEvent>[0] {
  const message = { key, value: body, body, headers: { ...headers } }
  return message
}

export function testPlainClients({ name, transport, url, plain }: Broker): void {
  test(`${name}: what a plain client writes is consumed, binary and structured, keys in order; ours are CloudEvents to it and to the SDK`, async (t) => {
    const run = newId()
    const bus = await connect({ service: place.group, url: url(run), transports: [transport], logger: false })
    t.after(() => bus.stop())
    const got: (readonly [id: string, source: string, n: number, key: string | undefined])[] = []
    bus.on(Placed, (order, { message, key }) => void got.push([message.id, message.source, order.n, key]))
    await bus.start()
    const client = await plain(url(run), run)
    t.after(() => client.close())

    const body = (n: number): string => JSON.stringify({ orderId: 'A1', n })
    await client.write({ key: 'A1', headers: attributes(1), body: body(1) })
    const structured = { specversion: '1.0', id: 'plain-2', type: place.type, source: 'till', partitionkey: 'A1', data: { orderId: 'A1', n: 2 } }
    await client.write({ key: 'A1', headers: { 'content-type': 'application/cloudevents+json' }, body: JSON.stringify(structured) })
    await client.write({ key: 'A1', headers: attributes(3), body: body(3) })
    const byN = (): typeof got => got.filter(([id]) => id.startsWith('plain-'))
    await eventually(
      async () => byN(),
      (list) => list.length === 3,
      'three orders of the plain client',
    )
    assert.deepEqual(byN(), [
      ['plain-1', 'till', 1, 'A1'],
      ['plain-2', 'till', 2, 'A1'],
      ['plain-3', 'till', 3, 'A1'],
    ])

    await bus.publish(Placed, { orderId: 'B2', n: 4 }, { id: 'ours', subject: 'größe', headers: { tenant: 'acme' } })
    const ours = (await client.read(4)).find(({ headers }) => headers.ce_id === 'ours')
    assert.ok(ours)
    const read = Kafka.toEvent(sdkMessage(ours)) as CloudEventV1<Order>
    assert.deepEqual([read.id, read.type, read.source, read.subject], ['ours', place.type, place.group, 'größe'])
    assert.deepEqual(read.data, { orderId: 'B2', n: 4 })
    assert.equal(ours.headers.ce_partitionkey ?? ours.key, 'B2')
  })
}
