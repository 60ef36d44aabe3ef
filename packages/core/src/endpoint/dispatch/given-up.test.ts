import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../clock/index.ts'
import type { HandlerBinding } from './binding.ts'
import { binding, outgoing, overheard, sleep, until } from './rig.fixture.ts'

// What this member has of a partition that it gives up, or has lost, is not begun any more.

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
  const { observer, partitions, send } = await overheard(handler, undefined, { clock })
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
