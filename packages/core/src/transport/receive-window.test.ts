import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../clock/index.ts'
import { ReceiveWindow } from './receive-window.ts'
import type { Delivery } from './transport.ts'
import { firstDelivery } from './unsettled-consumer.ts'

function message(id: number, sizeBytes: number, fromLot = false): Delivery {
  const envelope = { id: `${id}`, type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: '' }
  return { ...firstDelivery, envelope, partition: '0/1', storedAtMs: 0, sizeBytes, fromLot }
}

/** A window over messages that are there. */
function over(bounds: { readonly windowCount: number; readonly windowBytes: number }): { readonly window: ReceiveWindow; readonly ready: Delivery[] } {
  const ready: Delivery[] = []
  const window = new ReceiveWindow(bounds, (countMax, bytesMax) => {
    const taken: Delivery[] = []
    let bytes = 0
    for (let next = ready[0]; next !== undefined && taken.length < countMax; next = ready[0]) {
      if (taken.length > 0 && bytes + next.sizeBytes > bytesMax) break
      bytes += next.sizeBytes
      taken.push(next)
      ready.shift()
    }
    return taken
  })
  return { window, ready }
}

/** Settled by now, or undefined. */
async function now(received: Promise<readonly Delivery[]>): Promise<readonly Delivery[] | undefined> {
  return Promise.race([received, new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))])
}

test('whatever comes and goes: never more in hand than the bounds allow, everything in order, and nobody waits while there is room', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed)
    const bounds = { windowCount: 1 + Math.floor(random() * 6), windowBytes: 1 + Math.floor(random() * 300) }
    const { window, ready } = over(bounds)
    const held: Delivery[] = []
    let stored = 0
    let came = 0
    let pending: Promise<readonly Delivery[]> | undefined
    let sizeMax = 0
    for (let step = 0; step < 120; step++) {
      const chance = random()
      if (chance < 0.4) {
        const sizeBytes = Math.floor(random() * 120)
        sizeMax = Math.max(sizeMax, sizeBytes)
        ready.push(message(stored++, sizeBytes))
        window.serve()
      } else if (chance < 0.7) {
        const [gone] = held.splice(Math.floor(random() * held.length), 1)
        if (gone !== undefined) window.left(gone)
        window.serveSoon()
      } else if (chance < 0.75) {
        held.length = 0
        window.recount(held)
      } else pending ??= window.receive(1 + Math.floor(random() * 4), 1 + Math.floor(random() * 300))
      const received = pending === undefined ? undefined : await now(pending)
      const bytes = held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      if (received === undefined) {
        const isFull = held.length >= bounds.windowCount || (held.length > 0 && bytes >= bounds.windowBytes)
        assert.ok(pending === undefined || ready.length === 0 || isFull, `seed ${seed}, step ${step}: it waits although there is room`)
        continue
      }
      pending = undefined
      for (const delivery of received) assert.equal(delivery.envelope.id, `${came++}`, `seed ${seed}`)
      held.push(...received)
      assert.ok(held.length <= bounds.windowCount, `seed ${seed}: too many in hand`)
      const inHand = held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      assert.ok(inHand < bounds.windowBytes + sizeMax, `seed ${seed}: too many bytes in hand`)
    }
  }
})

test('what a lost partition had in hand makes room for the others at once', async () => {
  const { window, ready } = over({ windowCount: 2, windowBytes: 1_000 })
  ready.push(message(1, 1), message(2, 1), message(3, 1))
  assert.equal((await window.receive(10, 1_000)).length, 2)
  const next = window.receive(10, 1_000)
  assert.equal(await now(next), undefined)
  window.recount([])
  assert.deepEqual(
    (await now(next))?.map(({ envelope }) => envelope.id),
    ['3'],
  )
})

test('what was read from the lot is outside the window', async () => {
  const { window, ready } = over({ windowCount: 1, windowBytes: 1_000 })
  ready.push(message(1, 1), message(2, 1))
  const [first] = await window.receive(10, 1_000)
  assert.ok(first !== undefined)
  const next = window.receive(10, 1_000)
  window.left(message(9, 1, true))
  window.recount([first, message(9, 1, true)])
  assert.equal(await now(next), undefined)
  window.left(first)
  window.serve()
  assert.equal((await now(next))?.length, 1)
})

test('closed it answers with nothing', async () => {
  const { window } = over({ windowCount: 5, windowBytes: 1_000 })
  const last = window.receive(10, 1_000)
  window.close()
  assert.deepEqual([await now(last), await now(window.receive(1, 1))], [[], []])
})
