import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '@sluice/core/transport'
import { context, place, quietObserver, subscription } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { systemSyncCalls } from '../commit/wal-sync.ts'
import type { OpenBell } from '../doorbell/doorbell.ts'
import { ProcessLease } from '../lease/process-lease.ts'
import { embeddedOptions } from '../options.ts'
import { FileConsumer } from './consumer.ts'
import { declareTopology } from './declare.ts'

const leaseMs = 2_000
const partitions = 4
// Nobody wakes anybody: what a process knows, it has looked up.
const silent: OpenBell = () => ({ syncedSeq: () => 0, ring: () => {}, close: () => {} })

/** A process with a clock of its own. */
async function joined(
  path: string,
  assigned: () => void = () => {},
): Promise<{ consumer: FileConsumer; clock: ManualClock; lost: string[]; close(): Promise<void> }> {
  const clock = new ManualClock()
  const its = { ...context({ embedded: { partitions } }), clock }
  const bus = await BusFile.open(path, its, embeddedOptions(its), systemSyncCalls, silent)
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, partitions))
  const lost: string[] = []
  const observer = { ...quietObserver, assigned, lost: (partition: string): void => void lost.push(partition) }
  const consumer = new FileConsumer(bus, new ProcessLease(bus, leaseMs), subscription(), observer)
  await consumer.join()
  const close = async (): Promise<void> => {
    await consumer.close()
    await bus.close()
  }
  return { consumer, clock, lost, close }
}

// Found by a crash run (seed 100762): thawed, a process was given one turn of the loop to hear what it had lost, and on a busy
// machine its renewal waited longer than that for the file's lock: it began messages that others had handled.
test('after a freeze a process is told what others took over before the rest is called certain', async (t) => {
  const path = place(t)
  const first = await joined(path)
  await first.consumer.confirmHeld()
  assert.deepEqual(first.lost, [], 'nobody took anything over')

  let taken = 0
  const { promise: allTaken, resolve } = Promise.withResolvers<void>()
  const second = await joined(path, () => {
    if (++taken === partitions) resolve()
  })
  second.clock.advance(leaseMs + 500)
  second.consumer.rebalance()
  await allTaken
  assert.deepEqual(first.lost, [], 'somebody told it before')

  first.clock.advance(leaseMs + 500)
  await first.consumer.confirmHeld()
  assert.equal(first.lost.length, partitions)
  await first.close()
  await second.close()
})
