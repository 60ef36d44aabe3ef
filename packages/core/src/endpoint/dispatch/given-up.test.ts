import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, ManualClock, systemClock } from '../../clock/index.ts'
import { type Consumer, type ConsumerObserver, memoryTransport } from '../../transport/index.ts'
import type { HandlerBinding } from './binding.ts'
import { binding, outgoing, type Rig, rig, sleep, until } from './rig.fixture.ts'

// What this member has of a partition that it gives up, or has lost, is not begun any more.

interface Overheard extends Rig {
  readonly observer: ConsumerObserver
  readonly partitions: ReadonlySet<string>
}

/** A runner, and what its transport would tell it; `damage` changes its consumer. */
async function overheard(
  handler: HandlerBinding,
  damage: (consumer: Consumer, lose: () => void) => void = () => undefined,
  clock: Clock = systemClock,
): Promise<Overheard> {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 'test', instanceId: 'overheard', report() {}, options: {} })
  const consume = transport.consume.bind(transport)
  const partitions = new Set<string>()
  let observer: ConsumerObserver | undefined
  transport.consume = async (subscription, its) => {
    observer = its
    const assigned = its.assigned.bind(its)
    its.assigned = (partition, lanes) => {
      partitions.add(partition)
      assigned(partition, lanes)
    }
    const consumer = await consume(subscription, its)
    damage(consumer, () => {
      for (const partition of partitions) its.lost(partition)
    })
    return consumer
  }
  await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  const made = await rig([handler], { clock }, 100, transport)
  assert.ok(observer)
  return { ...made, observer, partitions }
}

const batchMs = 60_000

/** A batch that waits for more, what it holds, and how often it ran. */
function gathering(): { readonly handler: HandlerBinding; readonly gathered: string[]; readonly runs: string[] } {
  const runs: string[] = []
  const gathered: string[] = []
  const handler = binding((body) => void runs.push(body), {
    batch: { size: 10, waitMs: batchMs, perLane: 'one' },
    prepare: (delivery) => {
      gathered.push(String(delivery.envelope.body))
      return delivery.envelope.body
    },
  })
  return { handler, gathered, runs }
}

test('what a batch has gathered of a partition that is handed over goes back, at once and without a run', async () => {
  const { handler, gathered, runs } = gathering()
  const { observer, partitions, send } = await overheard(handler)
  await send(outgoing('a', 'a1'), outgoing('b', 'b1'))
  await until('gathered', () => gathered.length === 2)
  let over = false
  void Promise.all([...partitions].map((partition) => observer.revoking(partition))).then(() => {
    over = true
  })
  await until('given up', () => over, batchMs / 4)
  assert.deepEqual(runs, [])
})

test('what a batch has gathered of a partition that is lost does not run', async () => {
  const { handler, gathered, runs } = gathering()
  const clock = new ManualClock()
  const { observer, partitions, send } = await overheard(handler, undefined, clock)
  await send(outgoing('a', 'a1'), outgoing('b', 'b1'))
  await until('gathered', () => gathered.length === 2)
  for (const partition of partitions) observer.lost(partition)
  // In steps shorter than what counts as a freeze.
  for (let ms = 0; ms < 2 * batchMs; ms += 500) clock.advance(500)
  await sleep(20)
  assert.deepEqual(runs, [])
})

test('a partition that is lost while a settlement is passed on: the attempt that would be recorded next is not', async () => {
  let recorded = 0
  const fails = binding((body) => {
    if (body === 'fails') throw new Error('as planned')
    return undefined
  })
  let lost = 0
  const { send } = await overheard(fails, (consumer, lose) => {
    const accept = consumer.accept.bind(consumer)
    consumer.accept = (deliveries) => {
      accept(deliveries)
      lost++
      lose()
    }
    consumer.record = async () => void recorded++
  })
  await send(outgoing('a', 'works'), outgoing('b', 'fails'))
  await until('accepted', () => lost > 0)
  await sleep(20)
  assert.equal(lost, 1)
  assert.equal(recorded, 0)
})
