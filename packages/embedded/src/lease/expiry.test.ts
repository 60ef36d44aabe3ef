import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Delivery, ManualClock, type Transport } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { bodies, context, message, place, quietObserver, subscription, take } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { FileTransport } from '../file-transport.ts'
import { embeddedOptions } from '../options.ts'

// A frozen process: its clock stands still while the others' goes on, so it neither renews nor knows.
const leaseMs = 2_000

async function two(t: TestContext): Promise<{ frozen: Transport; other: Transport; clocks: [ManualClock, ManualClock] }> {
  const path = place(t)
  const clocks: [ManualClock, ManualClock] = [new ManualClock(), new ManualClock()]
  const open = (clock: ManualClock): Promise<Transport> => transport.open(`file:${path}`, { ...context({ embedded: { leaseMs } }), clock })
  const frozen = await open(clocks[0])
  await frozen.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
  return { frozen, other: await open(clocks[1]), clocks }
}

/** Moves a clock in small steps, with real time for what that sets off. */
async function advance(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    clock.advance(Math.min(50, left))
    await sleep(2)
  }
}

test('a process that is past its deadline loses its members and partitions; back again it joins anew and settles nothing of before', {
  timeout: 20_000,
}, async (t) => {
  const { frozen, other, clocks } = await two(t)
  const lost: string[] = []
  const late: Delivery[] = []
  const first = await frozen.consume(subscription(), {
    ...quietObserver,
    lost: (partition) => void lost.push(partition),
    settlementLost: (deliveries) => void late.push(...deliveries),
  })
  await frozen.send([message('a', 'k'), message('b', 'k')])
  const held = await take(first, 2)
  await advance(clocks[1], 100)
  const second = await other.consume(subscription(), quietObserver)
  const consumers = async (): Promise<number | undefined> => (await other.admin.groups('c'))[0]?.consumers
  assert.equal(await consumers(), 2)
  await advance(clocks[1], leaseMs + 500)
  // A starved machine is slow to do what the clock asks for.
  for (let n = 0; n < 200 && (await consumers()) !== 1; n++) await advance(clocks[1], 50)
  assert.equal(await consumers(), 1)
  const again = await take(second, 2)
  assert.deepEqual(bodies(again), ['a', 'b'])
  assert.deepEqual(
    again.map(({ suspect }) => suspect),
    [true, true],
  )

  first.accept(held)
  await first.flush()
  assert.equal(late.length, 2, 'a stale acceptance came through')
  assert.equal((await other.admin.groups('c'))[0]?.backlog, 2)
  second.accept(again)
  await second.flush()
  assert.equal((await other.admin.groups('c'))[0]?.backlog, 0)
  await advance(clocks[0], leaseMs + 500)
  assert.equal(lost.length, 1)
  assert.equal(await consumers(), 2, 'it did not join again')
  await frozen.close()
  await other.close()
})

test('a consumer past its deadline says so until it has renewed: nobody begins what it holds', { timeout: 20_000 }, async (t) => {
  const { frozen, other, clocks } = await two(t)
  const consumer = await frozen.consume(subscription(), quietObserver)
  assert.equal(consumer.overdue, false)
  clocks[0].advance(leaseMs + 500)
  assert.equal(consumer.overdue, true)
  let sure = false
  void consumer.confirmHeld?.().then(() => {
    sure = true
  })
  while (!sure) await advance(clocks[0], 50)
  assert.equal(consumer.overdue, false)
  await frozen.close()
  await other.close()
})

test('a removed process gives up what all its consumers had before it has a new lease (torture 401060)', { timeout: 20_000 }, async (t) => {
  const path = place(t)
  const opened = context({ embedded: { leaseMs } })
  const bus = await BusFile.open(path, opened, embeddedOptions(opened))
  const frozen = FileTransport.over(bus)
  await frozen.declare({ channels: [{ name: 'c', kind: 'events', partitions: 1 }], groups: [] })
  const leases: number[] = []
  const first = await frozen.consume(subscription(), {
    ...quietObserver,
    lost: () => void leases.push(bus.db.one<{ count: number }>('SELECT count(*) AS count FROM process').count),
  })
  await frozen.send([message('a', 'k')])
  await take(first, 1)
  // As others do who take it for dead. It hears no doorbell, but its next consumer finds no process to belong to.
  const others = new DatabaseSync(path)
  others.exec('PRAGMA busy_timeout = 5000; DELETE FROM member; DELETE FROM process')
  others.close()
  await frozen.consume({ ...subscription(), group: 'h' }, quietObserver)
  assert.deepEqual(leases, [0])
  await frozen.close()
})
