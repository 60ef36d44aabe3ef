import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinGroup, message, openBus, place, quietObserver, subscription, take } from '../../test/bus-file.ts'

// `inspect` showed fewer than no messages in flight: a partition that a replay took away while it was being handed over was
// counted out twice, once by each.
test('what a replay takes away during a hand-over is counted out once', async (t) => {
  const bus = await openBus(place(t))
  const replays: Promise<number>[] = []
  const first = await bus.consume(subscription(), {
    ...quietObserver,
    revoking: async () => {
      // Its write is before the one that frees the partition.
      replays.push(bus.admin.replay('c', 'g', undefined, undefined))
    },
  })
  await bus.send(Array.from({ length: 40 }, (_, n) => message(`m${n}`, `k${n}`)))
  await take(first, 40)
  const second = await joinGroup(bus)
  const endMs = performance.now() + 10_000
  while (replays.length === 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok((await Promise.all(replays)).length > 0)
  // Whoever owns a partition in the end has nothing of it in hand before it asks.
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal((await bus.admin.groups('c'))[0]?.inFlight, 0)
  await Promise.all([first.close(), second.close()])
  await bus.close()
})
