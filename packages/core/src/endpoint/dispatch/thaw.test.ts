import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, systemClock } from '../../clock/index.ts'
import { type Consumer, type ConsumerObserver, memoryTransport } from '../../transport/index.ts'
import { binding, outgoing, rig, sleep, until } from './rig.fixture.ts'

/** One message is being handled and one waits when the process stands still for an hour; `sure` is called by the transport. */
async function frozen(): Promise<{ readonly begun: string[]; readonly lose: () => void; readonly sure: () => void }> {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 'test', instanceId: 'frozen', report() {}, options: {} })
  await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  const consume = transport.consume.bind(transport)
  const partitions = new Set<string>()
  let observer: ConsumerObserver | undefined
  const { promise: certain, resolve: sure } = Promise.withResolvers<void>()
  let asked = 0
  transport.consume = async (subscription, its) => {
    observer = its
    const assigned = its.assigned.bind(its)
    its.assigned = (partition, lanes) => {
      partitions.add(partition)
      assigned(partition, lanes)
    }
    const consumer: Consumer = await consume(subscription, its)
    consumer.confirmHeld = () => {
      asked++
      return certain
    }
    return consumer
  }
  const clock = new ManualClock()
  const begun: string[] = []
  const ends: (() => void)[] = []
  const handler = binding((body) => {
    begun.push(body)
    return new Promise((resolve) => void ends.push(() => resolve(undefined)))
  })
  const { send } = await rig([handler], { clock, concurrency: 1 }, 100, transport)
  await send(outgoing('a', 'one'), outgoing('b', 'other'))
  await until('begun', () => begun.length === 1)
  await sleep(20)
  clock.advance(3_600_000)
  for (const end of ends) end()
  await until('asked', () => asked > 0)
  return {
    begun,
    sure,
    lose: () => {
      for (const partition of partitions) observer?.lost(partition)
    },
  }
}

test('after a freeze nothing begins until the transport is certain what is held, however long that takes', async () => {
  const { begun, sure } = await frozen()
  await sleep(50)
  assert.equal(begun.length, 1)
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
