import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../clock/index.ts'
import { binding, outgoing, rig, sleep, until } from './rig.fixture.ts'

// A turn looks at the clock: turns are counted by that. Found by the dispatcher's simulation, which never got past it.
async function turnsWhile(more: Parameters<typeof rig>[1], started: number): Promise<number> {
  let looks = 0
  const monotonicMs = (): number => {
    looks++
    return systemClock.monotonicMs()
  }
  let running = 0
  const held = Promise.withResolvers<void>()
  const handler = binding(() => {
    running++
    return held.promise
  })
  const { send } = await rig([handler], { ...more, clock: { ...systemClock, monotonicMs } })
  await send(...Array.from({ length: 20 }, (_, i) => outgoing(`k${i}`, `${i}`)))
  await until('handlers run', () => running === started)
  await sleep(20)
  looks = 0
  await sleep(200)
  held.resolve()
  return looks
}

test('while every slot is taken the event loop is left alone, although messages wait', async () => {
  const looks = await turnsWhile({ concurrency: 2 }, 2)
  assert.ok(looks < 100, `${looks} looks at the clock in 200 ms of waiting`)
})

test('while a rate limit says wait, the event loop is left alone', async () => {
  const looks = await turnsWhile({ rateLimit: { messages: 1, intervalMs: 60_000 } }, 1)
  assert.ok(looks < 100, `${looks} looks at the clock in 200 ms of waiting`)
})
