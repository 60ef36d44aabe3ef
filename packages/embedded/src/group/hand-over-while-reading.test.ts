import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from '@sluice/core/transport'
import { bodies, context, message, place, quietObserver, subscription } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { systemSyncCalls } from '../commit/wal-sync.ts'
import type { OpenBell } from '../doorbell/doorbell.ts'
import { ProcessLease } from '../lease/process-lease.ts'
import { embeddedOptions } from '../options.ts'
import { Sender } from '../send/sender.ts'
import { FileConsumer } from './consumer.ts'
import { declareTopology } from './declare.ts'

// Found by the simulation of the engine (seed 161): reading a block asks whether it is synced; the bell said so, and what
// waited for that looked at the file, saw another member, and handed partitions over in the middle of the reading.
test('a partition that is handed over while the log is read loses nothing', async (t) => {
  const path = place(t)
  const partitions = 8
  let syncedByOthers = 0
  let holding = false
  const held: (() => void)[] = []
  const bell: OpenBell = () => ({ syncedSeq: () => syncedByOthers, ring: () => {}, close: () => {} })
  const its = context({ embedded: { partitions } })
  const reader = await BusFile.open(
    path,
    its,
    embeddedOptions(its),
    {
      sync: (fd, done) => (holding ? void held.push(() => done(null)) : systemSyncCalls.sync(fd, done)),
      syncNow: (fd) => systemSyncCalls.syncNow(fd),
    },
    bell,
  )
  await reader.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, partitions))
  const first = new FileConsumer(reader, new ProcessLease(reader, 10_000), subscription(), quietObserver)
  await first.join()
  // The disk is slow: committed, and not synced by this process.
  holding = true
  const sent = Array.from({ length: 32 }, (_, n) => message(`${n}`, `k${n}`))
  const sending = new Sender(reader).send(sent)
  while (reader.committedSeq() === reader.sync.syncedSeq) await new Promise((resolve) => setImmediate(resolve))

  const other = await BusFile.open(path, context(), embeddedOptions(its))
  const second = new FileConsumer(other, new ProcessLease(other, 10_000), subscription(), quietObserver)
  await second.join()
  other.announce()
  await other.writer.drain()
  syncedByOthers = other.sync.syncedSeq
  const got: Delivery[] = []
  const read = async (consumer: FileConsumer): Promise<void> => {
    for (;;) {
      const some = await consumer.receive(100, Number.POSITIVE_INFINITY)
      if (some.length === 0) return
      got.push(...some)
      consumer.accept(some)
    }
  }
  const reading = [read(first), read(second)]
  holding = false
  for (const done of held) done()
  await sending
  for (let i = 0; i < 200 && got.length < sent.length; i++) {
    other.look()
    reader.look()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await Promise.all([first.close(), second.close(), ...reading])
  assert.deepEqual(
    [...new Set(bodies(got))].map(Number).sort((a, b) => a - b),
    sent.map((_, n) => n),
  )
  await Promise.all([reader.close(), other.close()])
})
