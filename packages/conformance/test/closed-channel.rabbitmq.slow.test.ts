import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, event, typed } from '@sluice/core'
import { transport } from '@sluice/rabbitmq'
import { ownServer } from './own-server.ts'

/** What the server allows is 4 s. */
const tooLongMs = 9_000
const healedMsMax = 30_000

test('the server closes the channel of a consumer over its consumer_timeout: told, taken again within 30 s, nothing lost, keys in order', {
  timeout: 240_000,
}, async (t) => {
  const server = await ownServer('rabbitmq-impatient')
  const Placed = event('shop.order.placed', typed<{ readonly key: string; readonly n: number }>(), { key: ({ key }) => key })
  const said: string[] = []
  const tell = (text: string): void => void said.push(text)
  const logger = { debug() {}, info() {}, warn: tell, error: tell }
  const bus = await connect({ service: 'inventory', url: server.url, transports: [transport], logger })
  try {
    const handled: string[] = []
    let slowRuns = 0
    bus.on(Placed, async ({ key, n }) => {
      if (n === 0 && slowRuns++ === 0) await new Promise((resolve) => setTimeout(resolve, tooLongMs))
      handled.push(`${key}${n}`)
    })
    await bus.start()
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    let n = 0
    const publish = async (): Promise<void> => {
      for (const key of keys) await bus.publish(Placed, { key, n })
      n++
    }
    const startedAt = performance.now()
    while (performance.now() - startedAt < tooLongMs + 3_000) {
      await publish()
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await publish()
    const lastAt = performance.now()
    const first = (): readonly string[] => [...new Set(handled)]
    while (first().length < n * keys.length) {
      const waitedMs = performance.now() - lastAt
      assert.ok(waitedMs < healedMsMax, `${first().length} of ${n * keys.length} after ${Math.round(waitedMs)} ms; said: ${said.join('; ')}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    t.diagnostic(`${n * keys.length} messages, all handled ${Math.round(performance.now() - lastAt)} ms after the last one; said: ${said.join('; ')}`)
    for (const key of keys) {
      const order = first().filter((one) => one.startsWith(key))
      assert.deepEqual(
        order,
        Array.from({ length: n }, (_, i) => `${key}${i}`),
      )
    }
    assert.match(said.join(), /closed the channel/)
  } finally {
    await bus.stop()
    await server.down()
  }
})
