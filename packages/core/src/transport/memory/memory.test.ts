import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../clock/index.ts'
import type { Envelope } from '../../message/envelope.ts'
import type { Consumer, ConsumerObserver, Delivery, LotLane, OutgoingMessage, Subscription } from '../transport.ts'
import { type MemoryTransport, memoryTransport } from './index.ts'

// The conformance suite judges this transport as a whole; here is what only it has: names, crash() and fence().

const clock = new ManualClock()
let ids = 0
let names = 0

const open = (url: string): Promise<MemoryTransport> => memoryTransport.open(url, { clock, service: 'test', instanceId: `i${ids++}`, report() {}, options: {} })

function message(key: string | undefined, body: string, channel = 'c'): OutgoingMessage {
  const envelope: Envelope = { id: `m${ids++}`, type: 't', source: 'test', time: '', body, ...(key === undefined ? {} : { partitionkey: key }) }
  return { channel, envelope, sizeBytes: body.length }
}

const subscription = (from: 'start' | 'end' = 'start'): Subscription => ({
  channel: 'c',
  group: 'g',
  from,
  order: 'key',
  ephemeral: false,
  kind: 'events',
  types: ['t'],
  windowCount: 100,
  windowBytes: 1e6,
})

class Log implements ConsumerObserver {
  readonly owned: Set<string> = new Set()
  readonly lanes: LotLane[] = []
  readonly late: Delivery[] = []
  lostCount = 0
  assigned(partition: string, lanes: readonly LotLane[]): void {
    this.owned.add(partition)
    this.lanes.push(...lanes)
  }
  async revoking(partition: string): Promise<void> {
    this.owned.delete(partition)
  }
  lost(partition: string): void {
    this.owned.delete(partition)
    this.lostCount++
  }
  lostDeliveries(): void {}
  lotChanged(_partition: string, lanes: readonly LotLane[]): void {
    this.lanes.push(...lanes)
  }
  paused(): void {}
  settlementLost(deliveries: readonly Delivery[]): void {
    this.late.push(...deliveries)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const bodies = (deliveries: readonly Delivery[]): unknown[] => deliveries.map((delivery) => delivery.envelope.body)

async function channel(url: string): Promise<MemoryTransport> {
  const transport = await open(url)
  await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  return transport
}

test('memory: is private, memory:name is shared and outlives its transports', async () => {
  const [a, b] = [await channel('memory:'), await channel('memory:')]
  await a.send([message('k', '1')])
  assert.equal((await b.admin.browse('c', { limit: 10 })).messages.length, 0)
  const name = `memory:test-${names++}`
  const first = await channel(name)
  await first.send([message('k', '1')])
  await first.close()
  const second = await open(name)
  assert.equal((await second.admin.browse('c', { limit: 10 })).messages.length, 1)
})

test('two consumers own each partition exclusively, and a crashed one is taken over in order', async () => {
  const name = `memory:test-${names++}`
  const [a, b] = [await channel(name), await channel(name)]
  const [la, lb] = [new Log(), new Log()]
  const ca = await a.consume(subscription(), la)
  const cb = await b.consume(subscription(), lb)
  await turn()
  assert.equal(la.owned.size + lb.owned.size, 8)
  assert.equal(la.owned.size, 4)
  for (let i = 0; i < 40; i++) await a.send([message(`k${i % 10}`, `${i}`)])
  const held = await ca.receive(100, 1e6)
  a.crash()
  const own = await cb.receive(100, 1e6)
  cb.accept(own)
  clock.advance(199)
  await turn()
  assert.equal(lb.owned.size, 4)
  clock.advance(1)
  const taken = await cb.receive(100, 1e6)
  assert.equal(lb.owned.size, 8)
  assert.deepEqual(bodies(taken).sort(), bodies(held).sort())
  assert.ok(taken.every((delivery) => delivery.suspect && delivery.deliveries === 1))
  for (const key of new Set(taken.map((delivery) => delivery.envelope.partitionkey))) {
    const of = taken.filter((delivery) => delivery.envelope.partitionkey === key).map((delivery) => Number(delivery.envelope.body))
    assert.deepEqual(
      of,
      of.toSorted((x, y) => x - y),
    )
  }
})

test('a fenced consumer can settle nothing of before, and goes on with what is new', async () => {
  const transport = await channel('memory:')
  const log = new Log()
  const consumer = await transport.consume(subscription(), log)
  await transport.send([message('k', '1'), message(undefined, '2')])
  const held = await consumer.receive(10, 1e6)
  transport.fence()
  assert.equal(log.lostCount, 8)
  consumer.accept(held)
  await assert.rejects(consumer.record([{ delivery: held[0] as Delivery, attempt: 1, notBeforeMs: 0, firstDeliveredAtMs: 0 }]), { code: 'LEASE_LOST' })
  await turn()
  assert.equal(log.late.length, 2)
  assert.equal((await consumer.receive(10, 1e6)).length, 2)
})

test('the lot: moved in order, parked behind a dead letter, redriven at the head', async () => {
  const transport = await channel('memory:')
  const log = new Log()
  const consumer: Consumer = await transport.consume(subscription(), log)
  await transport.send(['1', '2', '3'].map((body) => message('k', body)))
  const [one, two, three] = (await consumer.receive(10, 1e6)) as [Delivery, Delivery, Delivery]
  const reason = {
    code: 'X',
    message: '',
    attempts: 1,
    deliveries: 1,
    firstDeliveredAtMs: 0,
    deadLetteredAtMs: 0,
    service: '',
    instanceId: '',
    fingerprint: 'f',
  }
  await consumer.deadLetter([{ delivery: one, lane: 'key:k', reason, mode: 'park' }])
  await consumer.lot?.move('key:k', [two, three], { state: 'parked', dueAtMs: 0 })
  const [dead] = await transport.admin.deadLetters('c', 'g', {})
  assert.equal(dead?.parkedBehind, 2)
  assert.deepEqual((await transport.admin.groups())[0], {
    channel: 'c',
    group: 'g',
    backlog: 2,
    oldestAgeMs: 0,
    inFlight: 0,
    deadLetters: 1,
    parkedLanes: 1,
    suspendedLanes: 0,
    consumers: 1,
    paused: false,
  })
  assert.equal(await transport.admin.redrive('c', 'g', {}), 1)
  const lane = log.lanes.at(-1) as LotLane
  assert.deepEqual({ ...lane, partition: '' }, { lane: 'key:k', partition: '', state: 'suspended', dueAtMs: 0, count: 3 })
  const read = (await consumer.lot?.read(lane.partition, 'key:k', 2)) as Delivery[]
  assert.deepEqual(bodies(read), ['1', '2'])
  consumer.accept(read)
  consumer.accept((await consumer.lot?.read(lane.partition, 'key:k', 2)) as Delivery[])
  assert.equal((await transport.admin.groups())[0]?.backlog, 0)
  assert.equal((await transport.admin.groups())[0]?.suspendedLanes, 0)
})

test('partitions grow online: drained first, order kept', async () => {
  const transport = await channel('memory:')
  const log = new Log()
  const consumer = await transport.consume(subscription(), log)
  await transport.send(Array.from({ length: 50 }, (_, i) => message(`k${i % 5}`, `${i}`)))
  const held = await consumer.receive(10, 1e6)
  await transport.declare({ channels: [{ name: 'c', kind: 'events', partitions: 12 }], groups: [] })
  await turn()
  assert.equal(log.owned.size, 12)
  const all = await consumer.receive(100, 1e6)
  assert.equal(all.length, 50)
  assert.ok(held.every((delivery) => all.some((other) => other.envelope.id === delivery.envelope.id)))
})

test('delayed messages come when they are due, in order of due time, and can be cancelled', async () => {
  const transport = await channel('memory:')
  const consumer = await transport.consume(subscription(), new Log())
  const nowMs = clock.nowMs()
  const late = [500, 300, 400].map((delayMs) => ({ ...message('k', `${delayMs}`), notBeforeMs: nowMs + delayMs }))
  await transport.send(late)
  assert.equal(await transport.admin.cancel('c', (late[2] as OutgoingMessage).envelope.id), true)
  const receiving = consumer.receive(10, 1e6)
  clock.advance(299)
  await turn()
  assert.equal((await transport.admin.channels())[0]?.scheduled, 2)
  clock.advance(1)
  assert.deepEqual(bodies(await receiving), ['300'])
  clock.advance(1_000)
  assert.deepEqual(bodies(await consumer.receive(10, 1e6)), ['500'])
})
