import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Transport } from '@sluice/core/transport'
import { joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'

async function kept(bus: Transport): Promise<number> {
  return (await bus.admin.channels()).find(({ channel }) => channel === 'c')?.kept ?? 0
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await reached()) return
    await sleep(50)
  }
  assert.fail('not reached within 5 s')
}

test('the log is trimmed to its bound, but never below the slowest group', async (t) => {
  const bus = await openBus(place(t))
  await bus.declare({ channels: [{ name: 'c', kind: 'events', retention: { maxBytes: 20_000 } }], groups: [] })
  for (let i = 0; i < 50; i++) await bus.send([message('x'.repeat(900))])
  await sleep(1500)
  assert.equal(await kept(bus), 50)
  const consumer = await joinGroup(bus)
  consumer.accept(await take(consumer, 50))
  await consumer.flush()
  await until(async () => (await kept(bus)) <= 20)
  assert.equal((await bus.admin.groups('c'))[0]?.backlog, 0)
  await bus.close()
})

test('a channel that does not wait for slow groups gives their messages up, counted, and the rest is delivered', async (t) => {
  const bus = await openBus(place(t))
  await bus.declare({ channels: [{ name: 'c', kind: 'events', retention: { maxBytes: 20_000, keepForGroups: false } }], groups: [] })
  for (let i = 0; i < 50; i++) await bus.send([message(`${i}`.padEnd(900), 'k')])
  await until(async () => (await kept(bus)) <= 20)
  const left = await kept(bus)
  assert.equal((await bus.admin.groups('c'))[0]?.backlog, left)
  const consumer = await joinGroup(bus)
  const taken = await take(consumer, left)
  assert.equal(String(taken.at(-1)?.envelope.body).trim(), '49')
  consumer.accept(taken)
  await consumer.flush()
  assert.equal((await bus.admin.groups('c'))[0]?.backlog, 0)
  await bus.close()
})
