import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../clock/index.ts'
import { binding, outgoing, overheard, sleep, until } from './rig.fixture.ts'

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

test('what was lost in a freeze is not begun', async () => {
  const { begun, sure, lose } = await frozen()
  await sleep(20)
  lose()
  sure()
  await sleep(50)
  assert.equal(begun.length, 1)
})
