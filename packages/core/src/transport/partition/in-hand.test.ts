import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConsumerObserver } from '../transport.ts'
import { type LeasedPartition, PartitionsInHand } from './in-hand.ts'

interface Held {
  readonly partitions: PartitionsInHand<LeasedPartition>
  readonly lost: string[]
  readonly woken: number[]
}

/** Two partitions, each with one delivery of 10 bytes with the core and one that was given back. */
function held(): Held {
  const lost: string[] = []
  const observer: ConsumerObserver = {
    assigned: () => undefined,
    revoking: async () => undefined,
    lost: (name) => void lost.push(name),
    lostDeliveries: () => undefined,
    lotChanged: () => undefined,
    paused: () => undefined,
    settlementLost: () => undefined,
  }
  const partitions = new PartitionsInHand<LeasedPartition>(observer)
  const deliveries = [
    { state: 'delivered', sizeBytes: 10 },
    { state: 'released', sizeBytes: 7 },
  ]
  for (const residue of [0, 1]) {
    const name = `${residue}/2`
    partitions.partitions.set(name, { name, modulus: 2, residue, state: 'owned', unsettledDeliveries: () => deliveries })
    partitions.inHand++
    partitions.inHandBytes += 10
  }
  partitions.rebuildTable()
  const woken: number[] = []
  partitions.wake = () => void woken.push(partitions.inHand)
  return { partitions, lost, woken }
}

// Handed over and lost meanwhile, a partition was counted out twice, and the window grew.
test('a partition that is lost while it is given up is counted out once, and told once', () => {
  const { partitions, lost } = held()
  const [first] = partitions.partitions.values()
  assert.ok(first !== undefined)
  partitions.lose(first)
  partitions.drop(first)
  partitions.lose(first)
  assert.deepEqual([partitions.inHand, partitions.inHandBytes, lost, partitions.table.map((owner) => owner?.name)], [1, 10, ['0/2'], [undefined, '1/2']])
})

test('what a partition held makes room: a call that waits is answered', () => {
  const { partitions, lost, woken } = held()
  for (const partition of [...partitions.partitions.values()]) partitions.drop(partition)
  assert.deepEqual([woken, lost, partitions.partitions.size], [[1, 0], [], 0])
})

test('one that was taken anew under the same name stays', () => {
  const { partitions } = held()
  const old = partitions.partitions.get('0/2')
  assert.ok(old !== undefined)
  const anew: LeasedPartition = { ...old, unsettledDeliveries: () => [] }
  partitions.partitions.set('0/2', anew)
  partitions.drop(old)
  assert.equal(partitions.partitions.get('0/2'), anew)
})
