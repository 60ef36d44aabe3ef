import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, ManualClock, systemClock } from '../../clock/index.ts'
import { type Consumer, memoryTransport } from '../../transport/index.ts'
import { binding, outgoing, overheard, rig, sleep, until } from './rig.fixture.ts'

/** One message is being handled and one waits when the process stands still for an hour; `sure` is called by the transport. */
async function frozen(): Promise<{ readonly begun: string[]; readonly lose: () => void; readonly sure: () => void }> {
  const { promise: certain, resolve: sure } = Promise.withResolvers<void>()
  const clock = new ManualClock()
  const begun: string[] = []
  const ends: (() => void)[] = []
  let asked = 0
  const handler = binding((body) => {
    begun.push(body)
    return new Promise((resolve) => void ends.push(() => resolve(undefined)))
  })
  const { send, lose } = await overheard(
    handler,
    (consumer) => {
      consumer.confirmHeld = () => {
        asked++
        return certain
      }
    },
    { clock, concurrency: 1 },
  )
  await send(outgoing('a', 'one'), outgoing('b', 'other'))
  await until('begun', () => begun.length === 1)
  await sleep(20)
  clock.advance(3_600_000)
  for (const end of ends) end()
  await until('asked', () => asked > 0)
  return { begun, sure, lose }
}

test('after a freeze nothing begins until the transport is certain what is held, however long that takes', async () => {
  const { begun, sure } = await frozen()
  await sleep(50)
  assert.equal(begun.length, 1)
  sure()
  await until('begun', () => begun.length === 2)
})

test('who could not renew its lease in time begins nothing more, though it never stood still', async () => {
  const { change, sure, asked } = leaping()
  const begun: string[] = []
  const ends: (() => void)[] = []
  let overdue = false
  const handler = binding((body) => {
    begun.push(body)
    return new Promise((resolve) => void ends.push(() => resolve(undefined)))
  })
  const { send } = await overheard(
    handler,
    (consumer) => {
      change(consumer)
      Object.defineProperty(consumer, 'overdue', { get: () => overdue })
    },
    { concurrency: 1 },
  )
  await send(outgoing('a', 'one'), outgoing('b', 'other'))
  await until('begun', () => begun.length === 1)
  overdue = true
  for (const end of ends) end()
  await until('asked', () => asked() > 0)
  await sleep(20)
  assert.equal(begun.length, 1)
  overdue = false
  sure()
  await until('begun', () => begun.length === 2)
})

test('what was lost in a freeze is not begun', async () => {
  const { begun, sure, lose } = await frozen()
  await sleep(20)
  lose()
  sure()
  await sleep(50)
  assert.equal(begun.length, 1)
})

/** A clock that leaps without firing timers, as the machine's own does over a freeze; and what becomes certain when it is told. */
function leaping(): { readonly clock: Clock; leap(ms: number): void; readonly change: (consumer: Consumer) => void; sure(): void; asked(): number } {
  let leapt = 0
  let asked = 0
  const { promise: certain, resolve: sure } = Promise.withResolvers<void>()
  return {
    clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + leapt, nowMs: () => systemClock.nowMs() + leapt },
    leap: (ms) => {
      leapt += ms
    },
    change: (consumer) => {
      consumer.confirmHeld = () => {
        asked++
        return certain
      }
    },
    sure,
    asked: () => asked,
  }
}

test('a turn that stands still before it begins anything begins nothing (torture 300284)', async () => {
  const { clock, leap, change, sure, asked } = leaping()
  const begun: string[] = []
  const handler = binding(
    (body) => {
      begun.push(body)
      return body === 'deaf' ? new Promise(() => undefined) : undefined
    },
    { timeoutMs: 10 },
  )
  // The turn that leaves a deaf handler to itself says so, and begins the next message: as long as a freeze between the two.
  const { send } = await overheard(handler, change, { clock, concurrency: 1, report: () => leap(3_600_000) })
  await send(outgoing('a', 'deaf'))
  await until('begun', () => begun.length === 1)
  await send(outgoing('b', 'other'))
  await until('asked', () => asked() > 0)
  await sleep(20)
  assert.deepEqual(begun, ['deaf'])
  sure()
  await until('begun', () => begun.includes('other'))
})

test('what was prepared over a freeze begins only when the transport is certain, and is not prepared again', async () => {
  const { clock, leap, change, sure, asked } = leaping()
  const begun: string[] = []
  const prepared: ((value: string) => void)[] = []
  const handler = binding(
    (body) => {
      begun.push(body)
      return undefined
    },
    { prepare: () => new Promise<string>((resolve) => void prepared.push(resolve)) },
  )
  const { send, lose } = await overheard(handler, change, { clock })
  await send(outgoing('a', 'one'), outgoing('b', 'other'))
  await until('preparing', () => prepared.length === 2)
  leap(3_600_000)
  for (const ready of prepared) ready('ready')
  await until('asked', () => asked() > 0)
  await sleep(20)
  assert.deepEqual(begun, [])
  sure()
  await until('begun', () => begun.length === 2)
  assert.equal(prepared.length, 2)
  lose()
})

test('what was prepared and lost in a freeze is not begun', async () => {
  const { clock, leap, change, sure, asked } = leaping()
  const begun: string[] = []
  const { promise, resolve: ready } = Promise.withResolvers<string>()
  const handler = binding((body) => void begun.push(body) as undefined, { prepare: () => promise })
  const { send, lose } = await overheard(handler, change, { clock })
  await send(outgoing('a', 'one'))
  await sleep(20)
  leap(3_600_000)
  ready('ready')
  await until('asked', () => asked() > 0)
  lose()
  sure()
  await sleep(50)
  assert.deepEqual(begun, [])
})

test('a handler that blocks as long as a freeze: the batch that was gathered in its turn waits, too', async () => {
  const { clock, leap, change, sure, asked } = leaping()
  const batched: string[] = []
  let gathered = 0
  const single = binding(() => (gathered > 0 ? (leap(3_600_000) as undefined) : undefined))
  const batch = binding((body) => void batched.push(body) as undefined, {
    types: ['b'],
    batch: { size: 100, waitMs: 0, perLane: 'one' },
    prepare: () => gathered++,
  })
  const { send } = await overheard([batch, single], change, { clock })
  await send(...Array.from('abcdefgh', (key, n) => outgoing(key, key, n % 2 === 0 ? { type: 'b' } : {})))
  await until('asked', () => asked() > 0)
  await sleep(20)
  assert.deepEqual(batched, [])
  sure()
  await until('batched', () => batched.length > 0)
})

test('a transport that hands on what a dead one held at once (takeOverMs 0): a turn is no freeze (found by examples/folder-transport)', async () => {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 's', instanceId: 'i', report() {}, options: {} })
  await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  const atOnce = Object.defineProperty(transport, 'facts', { value: { ...transport.facts, takeOverMs: 0 } })
  const begun: string[] = []
  const { send } = await rig([binding((body) => void begun.push(body) as undefined)], {}, 100, atOnce)
  await send(outgoing('a', 'one'), outgoing('a', 'two'), outgoing('b', 'other'))
  await until('begun', () => begun.length === 3)
})
