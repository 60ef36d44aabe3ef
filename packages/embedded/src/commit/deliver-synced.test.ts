import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { context, message, place, quietObserver, subscription } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { FileConsumer } from '../group/consumer.ts'
import { declareTopology } from '../group/declare.ts'
import { ProcessLease } from '../lease/process-lease.ts'
import { embeddedOptions } from '../options.ts'
import { Sender } from '../send/sender.ts'
import { type SyncCalls, systemSyncCalls } from './wal-sync.ts'

async function open(path: string, disk: SyncCalls): Promise<BusFile> {
  const its = context()
  return BusFile.open(path, its, embeddedOptions(its), disk)
}

test('what is committed and not synced is delivered by nobody: a reader syncs it first, itself', async (t) => {
  const path = place(t)
  let dead = false
  // The producer's syncs never come back once it is "dead", as after a kill between commit and sync.
  const producer = await open(path, { sync: (fd, done) => void (dead || systemSyncCalls.sync(fd, done)), syncNow: () => assert.fail('not alone and fast') })
  await producer.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 8))
  const held: (() => void)[] = []
  let holding = false
  const reader = await open(path, {
    sync: (fd, done) => {
      if (holding) held.push(() => systemSyncCalls.sync(fd, done))
      else systemSyncCalls.sync(fd, done)
    },
    syncNow: () => assert.fail('not alone and fast'),
  })
  const consumer = new FileConsumer(reader, new ProcessLease(reader, 10_000), subscription(), quietObserver)
  await consumer.join()
  let delivered = 0
  const receiving = consumer.receive(10, 1e6).then((some) => {
    delivered = some.length
  })
  dead = true
  holding = true
  void new Sender(producer).send([message('x')])
  await sleep(50)
  reader.look()
  await sleep(50)
  assert.equal(delivered, 0)
  assert.ok(held.length > 0, 'the reader began a sync of its own')
  holding = false
  for (const go of held.splice(0)) go()
  await receiving
  assert.equal(delivered, 1)
  await consumer.close()
  await reader.close()
})

test('a doorbell that an earlier file left behind is not believed', async (t) => {
  const path = place(t)
  const high = Buffer.alloc(8)
  high.writeDoubleLE(1e6)
  writeFileSync(`${path}-bell`, high)
  const bus = await open(path, systemSyncCalls)
  assert.ok(bus.sync.syncedSeq < 1e6)
  assert.equal(bus.isSynced(1000), false)
  await bus.close()
})

test('a doorbell that promises more than the file holds: synced commits are missing, and opening says so', async (t) => {
  const path = place(t)
  const bus = await open(path, systemSyncCalls)
  await bus.writer.write(() => {}, { announce: true })
  await bus.close()
  const high = Buffer.alloc(8)
  high.writeDoubleLE(1e6)
  writeFileSync(`${path}-bell`, high)
  await assert.rejects(open(path, systemSyncCalls), { code: 'STORE_CORRUPT', message: /commits up to 1000000 were synced/ })
  rmSync(`${path}-bell`)
  await (await open(path, systemSyncCalls)).close()
})
