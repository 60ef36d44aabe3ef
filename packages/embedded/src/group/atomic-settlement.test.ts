import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from '@sluice/core/transport'
import { context, message, place, quietObserver, reason, subscription } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { ProcessLease } from '../lease/process-lease.ts'
import { embeddedOptions } from '../options.ts'
import { Sender } from '../send/sender.ts'
import { FileConsumer } from './consumer.ts'
import { declareTopology } from './declare.ts'

// Found by simulated power cuts on a full disk: the message was neither in the log nor among the dead letters.
test('a shared transaction is undone: nothing else is written as if the dead letter of it were stored', async (t) => {
  const its = context({ embedded: { partitions: 1 } })
  const bus = await BusFile.open(place(t), its, embeddedOptions(its))
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 1))
  const consumer = new FileConsumer(bus, new ProcessLease(bus, 10_000), subscription(), quietObserver)
  await consumer.join()
  await new Sender(bus).send([message('1', 'k'), message('2', 'k'), message('3', 'k')])
  const deliveries: Delivery[] = []
  while (deliveries.length < 3) deliveries.push(...(await consumer.receive(3, 1e6)))
  const [first, second] = deliveries as [Delivery, Delivery]
  // In one transaction: a settlement, a look at what is written, a dead letter, and something that fails.
  consumer.accept([first])
  const flushed = consumer.flush()
  const cursors: number[] = []
  const looked = bus.writer.write((db) => void cursors.push(db.one<{ cursor: number }>('SELECT cursor FROM partition').cursor))
  const dead = consumer.deadLetter([{ delivery: second, lane: 'key:k', reason, mode: 'continue' }])
  const failing = bus.writer.write(() => {
    throw new Error('this one fails')
  })
  await Promise.all([flushed, looked, dead, assert.rejects(failing)])
  assert.equal(cursors.length, 2, 'all of them were tried together, then each alone')
  assert.deepEqual(cursors, [2, 2], 'position 2 is not done while its dead letter is not stored')
  assert.equal(bus.db.one<{ cursor: number }>('SELECT cursor FROM partition').cursor, 3)
  await consumer.close()
  await bus.close()
})
