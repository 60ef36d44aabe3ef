/** Experiment 15 of the faults: duplicates × 1 to 100, inside and outside the window, in any order, from several processes. */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { ManualClock, type OutgoingMessage, seededRandom, type Transport } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { bodies, context, joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`each message is sent up to 100 times, in and out of its window, by two processes: stored once a window (seed ${seed})`, async (t) => {
    const path = place(t)
    const next = seededRandom(seed)
    const random = (below: number): number => Math.floor(next() * below)
    const clock = new ManualClock()
    const open = (): Promise<Transport> => transport.open(`file:${path}`, { ...context(), clock })
    const buses = [await open(), await open()]
    await buses[0]?.declare({
      channels: [
        { name: 'c', kind: 'events' },
        { name: 'd', kind: 'events' },
      ],
      groups: [],
    })
    const keys = Array.from({ length: 6 }, (_, n) => ({ key: `once-${n}`, windowMs: [1, 50, 400, 3000][random(4)] as number }))
    /** By channel and key: whose window is open, and until when. */
    const model = new Map<string, { readonly id: string; readonly endMs: number }>()
    const stored: string[] = []
    for (let batch = 0; batch < 40; batch++) {
      const sent: OutgoingMessage[] = Array.from({ length: 1 + random(100) }, (_, n) => {
        const deduplicate = keys[random(keys.length)] as { readonly key: string; readonly windowMs: number }
        return { ...message(`${batch}-${n}`, `k${random(3)}`, random(4) === 0 ? 'd' : 'c'), deduplicate }
      })
      const nowMs = clock.nowMs()
      const expected = new Map<number, string>()
      for (const [index, { channel, envelope, deduplicate }] of sent.entries()) {
        const name = `${channel} ${deduplicate?.key}`
        const open = model.get(name)
        if (open !== undefined && open.endMs > nowMs) expected.set(index, open.id)
        else {
          model.set(name, { id: envelope.id, endMs: nowMs + (deduplicate?.windowMs ?? 0) })
          if (channel === 'c') stored.push(String(envelope.body))
        }
      }
      const { failures, duplicates } = await (buses[random(2)] as Transport).send(sent)
      assert.deepEqual(failures, [])
      assert.deepEqual(duplicates ?? new Map(), expected)
      clock.advance([0, 1, 49, 50, 399, 1000][random(6)] as number)
      // A process that ends takes no window with it.
      if (random(10) === 0) {
        const which = random(2)
        await buses[which]?.close()
        buses[which] = await open()
      }
    }
    const consumer = await joinGroup(buses[0] as Transport)
    assert.deepEqual(bodies(await take(consumer, stored.length)).sort(), [...stored].sort())
    await Promise.all(buses.map((bus) => bus.close()))
  })
}

test('a transaction of the application that is rolled back opens no window; one that is committed does', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  t.after(() => bus.close())
  const one = (body: string): OutgoingMessage => ({ ...message(body, 'k'), deduplicate: { key: 'once', windowMs: 60_000 } })
  const app = new DatabaseSync(path)
  t.after(() => app.close())
  for (const [body, end] of [
    ['undone', 'ROLLBACK'],
    ['done', 'COMMIT'],
  ] as const) {
    app.exec('BEGIN IMMEDIATE')
    const { failures, duplicates } = await bus.send([one(body)], { transaction: app })
    assert.deepEqual([failures, duplicates?.size ?? 0], [[], 0])
    app.exec(end)
  }
  assert.equal((await bus.send([one('again')])).duplicates?.size, 1)
  assert.deepEqual(bodies(await take(await joinGroup(bus), 1)), ['done'])
})

test('a delayed message and one that is sent at once share the window', async (t) => {
  const bus = await openBus(place(t))
  t.after(() => bus.close())
  const one = (body: string): OutgoingMessage => ({ ...message(body, 'k'), deduplicate: { key: 'once', windowMs: 60_000 } })
  const delayed = { ...one('delayed'), notBeforeMs: Date.now() + 3_600_000 }
  assert.equal((await bus.send([delayed])).duplicates?.size ?? 0, 0)
  assert.deepEqual([...((await bus.send([one('at once')])).duplicates ?? [])], [[0, delayed.envelope.id]])
  assert.equal((await bus.admin.groups('c'))[0]?.backlog, 0)
})
