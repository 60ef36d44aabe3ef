import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodies, context, message, place, quietObserver, subscription, take } from '../../test/bus-file.ts'
import { BusFile } from '../bus-file.ts'
import { FileConsumer } from '../group/consumer.ts'
import { declareTopology } from '../group/declare.ts'
import { ProcessLease } from '../lease/process-lease.ts'
import { embeddedOptions } from '../options.ts'
import { Sender } from '../send/sender.ts'

// Found by the simulation of the engine (seed 2594): the message that the old read took was hidden from the new owner, which
// is the same process, and its successor was handled before it.
test('a read of the lot that was asked for before its partition was lost takes nothing from the next ownership', async (t) => {
  const its = context({ embedded: { partitions: 1 } })
  const bus = await BusFile.open(place(t), its, embeddedOptions(its))
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 1))
  let assigned = 0
  const observer = { ...quietObserver, assigned: () => void assigned++ }
  const consumer = new FileConsumer(bus, new ProcessLease(bus, 10_000), subscription(), observer)
  await consumer.join()
  await new Sender(bus).send([message('1', 'k'), message('2', 'k')])
  await consumer.lot.move('key:k', await take(consumer, 2), { state: 'suspended', dueAtMs: 0 })

  const old = consumer.lot.read('0/1', 'key:k', 1)
  const refused = assert.rejects(old, { code: 'LEASE_LOST' })
  await bus.writer.write((db) => void db.run('UPDATE partition SET owner = NULL, epoch = epoch + 1'), { sync: 'committed' })
  consumer.rebalance()
  for (let turn = 0; turn < 20 && assigned < 2; turn++) await Promise.resolve()
  assert.equal(assigned, 2, 'the partition did not come back before the read was carried out')
  await refused
  assert.deepEqual(bodies((await consumer.lot.read('0/1', 'key:k', 1)) ?? []), ['1'])
  await consumer.close()
  await bus.close()
})
