import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, event, typed } from '../../contract/index.ts'
import { createTestKit, type TestKit } from '../../testing/index.ts'

const Placed = event('shop.order.placed', typed<{ orderId: string; n: number }>(), { key: (order) => order.orderId })
const Paid = event('shop.order.paid', typed<{ orderId: string }>(), { key: (order) => order.orderId })
const Ship = command('shop.ship', typed<{ orderId: string }>())

/** A kit whose handler fails while `broken.now` is true. */
async function failing(onDeadLetter: 'park' | 'continue'): Promise<{ kit: TestKit; broken: { now: boolean } }> {
  const kit = await createTestKit({ retry: { attempts: 1 } })
  const broken = { now: true }
  kit.bus.on(
    [Placed, Paid],
    (data, context) => {
      if (broken.now && context.is(Placed, data) && data.n === 0) throw new RangeError(`no stock for ${data.orderId}`)
    },
    { onDeadLetter },
  )
  await kit.bus.start()
  return { kit, broken }
}

test('dead letters: listed with reason, data and attributes; redriven in order with what was parked behind', async () => {
  const { kit, broken } = await failing('park')
  for (let n = 0; n < 3; n++) await kit.bus.publish(Placed, { orderId: 'A', n }, { headers: { tenant: 'T' } })
  await kit.bus.publish(Placed, { orderId: 'B', n: 1 })
  await kit.drained()
  const letters = kit.bus.deadLetters(Placed)
  const [letter] = await letters.list()
  assert.deepEqual(
    [letter?.data, letter?.message.headers, letter?.message.type, letter?.parkedBehind, letter?.redrives],
    [{ orderId: 'A', n: 0 }, { tenant: 'T' }, 'shop.order.placed', 2, 0],
  )
  assert.deepEqual([letter?.reason.attempts, letter?.reason.service], [1, 'test'])
  assert.match(letter?.reason.message ?? '', /no stock for A/)
  const [row] = await kit.bus.inspect()
  assert.deepEqual([row?.deadLetters, row?.parkedLanes, row?.backlog], [1, 1, 2])
  broken.now = false
  assert.equal(await letters.redrive('all'), 1)
  await kit.drained()
  assert.deepEqual(
    kit
      .handled(Placed)
      .filter((one) => one.key === 'A' && one.outcome === 'returned')
      .map((one) => [one.data.n, one.attempt]),
    [
      [0, 1],
      [1, 1],
      [2, 1],
    ],
  )
  assert.deepEqual(await letters.list(), [])
  await kit.stop()
})

test('dead letters: discard drops one, and its successors follow', async () => {
  const { kit } = await failing('park')
  for (let n = 0; n < 3; n++) await kit.bus.publish(Placed, { orderId: 'A', n })
  await kit.drained()
  const letters = kit.bus.deadLetters(Placed)
  const [letter] = await letters.list()
  assert.ok(letter !== undefined)
  assert.equal(await letters.discard(letter), 1)
  await kit.drained()
  assert.deepEqual(
    kit
      .handled(Placed)
      .filter((one) => one.outcome === 'returned')
      .map((one) => one.data.n),
    [1, 2],
  )
  await kit.stop()
})

test('dead letters: one, several, by key, by fingerprint, by contract, with a limit', async () => {
  const { kit, broken } = await failing('continue')
  for (const orderId of ['A', 'B', 'C', 'D', 'E']) await kit.bus.publish(Placed, { orderId, n: 0 })
  await kit.drained()
  const letters = kit.bus.deadLetters(Placed)
  const all = await letters.list()
  assert.equal(all.length, 5)
  assert.deepEqual(await kit.bus.deadLetters(Paid).list(), [])
  assert.equal((await letters.list({ keys: ['C'] }))[0]?.message.partitionkey, 'C')
  assert.equal((await letters.list({ limit: 2 })).length, 2)
  assert.deepEqual(
    (await letters.list({ after: all[2]?.deadLetterId as string })).map((one) => one.message.partitionkey),
    ['D', 'E'],
  )
  assert.equal((await letters.list({ fingerprint: 'another' })).length, 0)
  assert.equal((await letters.list({ fingerprint: all[0]?.reason.fingerprint as string })).length, 5)
  broken.now = false
  assert.equal(await letters.redrive(all.slice(0, 2)), 2)
  assert.equal(await letters.redrive({ keys: ['C'] }), 1)
  assert.equal(await letters.discard({ ids: [all[3]?.deadLetterId as string] }), 1)
  assert.equal(await kit.bus.deadLetters(Paid).redrive('all'), 0)
  await kit.drained()
  assert.deepEqual(
    kit
      .handled(Placed)
      .filter((one) => one.outcome === 'returned')
      .map((one) => one.key)
      .sort(),
    ['A', 'B', 'C'],
  )
  assert.deepEqual(
    (await letters.list()).map((one) => one.message.partitionkey),
    ['E'],
  )
  // A misspelt filter must not mean all of them.
  await assert.rejects(letters.redrive({ key: 'E' } as never), { code: 'INVALID_OPTION' })
  await assert.rejects(letters.redrive(undefined as never), { code: 'INVALID_OPTION' })
  for (const empty of [{}, { keys: undefined }, { fingerprint: undefined }]) {
    await assert.rejects(letters.redrive(empty as never), { code: 'INVALID_OPTION' })
    await assert.rejects(letters.discard(empty as never), { code: 'INVALID_OPTION' })
  }
  await kit.stop()
})

test('pause stops a group in all processes, resume goes on; other groups do not notice', async () => {
  await using kit = await createTestKit({ service: 'a' })
  const b = await kit.connect({ service: 'b' })
  for (const bus of [kit.bus, b]) bus.on(Placed, () => {})
  await Promise.all([kit.bus.start(), b.start()])
  await kit.bus.pause(Placed, { group: 'b' })
  await kit.bus.publish(Placed, { orderId: 'A', n: 1 })
  await kit.drained()
  assert.deepEqual(
    kit.handled().map((one) => one.group),
    ['a'],
  )
  assert.deepEqual(
    (await kit.bus.inspect()).map((row) => [row.group, row.paused, row.backlog]),
    [
      ['a', false, 0],
      ['b', true, 1],
    ],
  )
  await kit.bus.resume(Placed, { group: 'b' })
  await kit.drained()
  assert.deepEqual(
    kit.handled().map((one) => one.group),
    ['a', 'b'],
  )
})

test('replay delivers a stretch of the past again, to one group', async () => {
  await using kit = await createTestKit({ service: 'a' })
  const b = await kit.connect({ service: 'b' })
  for (const bus of [kit.bus, b]) bus.on(Placed, () => {})
  await Promise.all([kit.bus.start(), b.start()])
  const times: number[] = []
  for (let n = 0; n < 4; n++) {
    times.push(kit.clock.nowMs())
    await kit.bus.publish(Placed, { orderId: 'A', n })
    await kit.advance(1_000)
  }
  await kit.drained()
  kit.clear()
  assert.equal(await kit.bus.replay(Placed, { from: new Date(times[1] as number), to: times[3] as number }), 2)
  await kit.drained()
  assert.deepEqual(
    kit.handled(Placed).map((one) => [one.group, one.data.n]),
    [
      ['a', 1],
      ['a', 2],
    ],
  )
  await assert.rejects(kit.bus.replay(Placed, { from: 5, to: 5 }), { code: 'INVALID_OPTION' })
  await assert.rejects(kit.bus.replay(Placed, { from: new Date(Number.NaN) }), { code: 'INVALID_OPTION' })
})

test('groups: listed over all channels; one without consumers can be removed, one with cannot', async () => {
  await using kit = await createTestKit({ service: 'a' })
  const b = await kit.connect({ service: 'b' })
  kit.bus.on(Placed, () => {})
  b.on(Placed, () => {})
  await Promise.all([kit.bus.start(), b.start()])
  await kit.bus.send(Ship, { orderId: 'A' })
  assert.deepEqual(
    (await kit.bus.groups.list()).map((row) => `${row.channel} ${row.group}`),
    ['shop.order a', 'shop.order b', 'shop.ship shop.ship'],
  )
  await assert.rejects(kit.bus.groups.remove('b'))
  await b.stop()
  assert.equal(await kit.bus.groups.remove('b', { channel: 'another' }), 0)
  assert.equal(await kit.bus.groups.remove('b'), 1)
  assert.deepEqual(
    (await kit.bus.groups.list()).map((row) => row.group),
    ['a', 'shop.ship'],
  )
})

test('a command has one group only', async () => {
  await using kit = await createTestKit()
  await kit.bus.send(Ship, { orderId: 'A' })
  await assert.rejects(kit.bus.pause(Ship, { group: 'x' }), { code: 'INVALID_OPTION' })
  await kit.bus.pause(Ship)
  assert.equal((await kit.bus.inspect())[0]?.paused, true)
})
