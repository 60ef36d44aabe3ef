import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '@sluice/core/transport'
import { Block } from '../log/block.ts'
import { encodeBlock } from '../log/encode-block.ts'
import { LogDelivery } from './log-delivery.ts'
import { OwnedPartition, type PartitionRow } from './owned-partition.ts'
import { encodeRanges, isDone } from './progress.ts'

const count = 200
// Every third message is this partition's.
const mine = (position: number): boolean => position % 3 === 0

const place = { channelId: 1, first: 1, seq: 1, storedAtMs: 0 }
const encoded = encodeBlock(
  Array.from({ length: count }, (_, i) => ({
    envelope: { id: String(i + 1), type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: '' },
    hash: 0,
    sizeBytes: 1,
  })),
  place,
)
const block = new Block({ first: 1, seq: 1, stored_at_ms: 0, ...encoded }, 1)

function own(row: Partial<PartitionRow>): OwnedPartition {
  return new OwnedPartition(
    { modulus: 3, residue: 0, owner: 1, epoch: 1, cursor: 1, done: '', done_count: 0, claimed: 0, suspect_before: 0, deaths: 0, needs_type: null, ...row },
    1,
    [],
  )
}

test('what several jobs of one transaction write is counted once, and what an undone one wrote is counted again', () => {
  const partition = own({})
  const deliveries = [0, 1, 2].map((index) => new LogDelivery(partition, block, index, 0, undefined, 0))
  for (const delivery of deliveries) partition.add(delivery)
  partition.settle(deliveries[0] as LogDelivery)
  assert.equal(partition.doneToWrite(1), 1)
  partition.settle(deliveries[1] as LogDelivery)
  assert.equal(partition.doneToWrite(1), 1)
  // Transaction 1 is undone.
  assert.equal(partition.doneToWrite(2), 2)
  partition.written()
  partition.settle(deliveries[2] as LogDelivery)
  assert.equal(partition.doneToWrite(3), 1)
})

test('over any deliveries, settlements, releases, flushes and changes of owner: what is settled is done, what is not comes again', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = seededRandom(seed)
    const settled = new Set<number>()
    let partition = own({})
    let held: LogDelivery[] = []
    for (let step = 0; step < 300; step++) {
      const dice = random()
      if (dice < 0.5) {
        // The log is read on, as collect.ts does.
        for (let left = 1 + Math.floor(random() * 8); left > 0 && partition.readFrom <= count; ) {
          const position = partition.readFrom
          if (mine(position) && !partition.skips(position)) {
            assert.ok(!settled.has(position), `seed ${seed}: ${position} comes again after its settlement`)
            const delivery = new LogDelivery(partition, block, position - 1, 0, undefined, 0)
            partition.add(delivery)
            held.push(delivery)
            left--
          }
          partition.readFrom = position + 1
        }
      } else if (dice < 0.9) {
        if (held.length === 0) continue
        const [delivery] = held.splice(Math.floor(random() * held.length), 1) as [LogDelivery]
        partition.settle(delivery)
        if (random() < 0.05) {
          partition.unsettle(delivery)
          held.push(delivery)
        } else settled.add(delivery.position)
      } else if (dice < 0.97) partition.compact()
      else {
        // Another owner takes over with what the file knows.
        const { cursor, ranges } = partition.progress()
        partition = own({ cursor, done: encodeRanges(ranges) })
        held = []
      }
      const progress = partition.progress()
      for (let position = 3; position <= count; position += 3) {
        assert.equal(isDone(progress, position), settled.has(position), `seed ${seed}, step ${step}, position ${position}: ${JSON.stringify(progress)}`)
      }
      assert.equal(partition.unsettled, held.length)
    }
  }
})
