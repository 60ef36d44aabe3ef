import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConsumerObserver, Subscription } from '@sluice/core/transport'
import type { RedisBus } from '../redis-bus.ts'
import { Member } from './member.ts'
import { type HeldDelivery, OwnedPartition } from './partition.ts'

// The embedded engine had it: handed over and lost meanwhile, a partition was counted out twice, and the window grew.
test('a partition that is lost while it is given up is counted out once', () => {
  const lost: string[] = []
  const bus = { context: { instanceId: 'i' }, key: () => 'k', reader: () => undefined } as unknown as RedisBus
  const member = new Member(bus, { channel: 'c', group: 'g' } as Subscription, { lost: (name: string) => void lost.push(name) } as unknown as ConsumerObserver)
  const partition = new OwnedPartition({ name: '0/1', epoch: 1, cursor: '', done: '', claimed: '', suspectBefore: '', deaths: 0 } as never, [] as never)
  const delivery = { position: '1', sizeBytes: 10, state: 'delivered', afterSettled: false } as HeldDelivery
  member.partitions.set(partition.name, partition)
  partition.add(delivery)
  member.inHand = 1
  member.inHandBytes = 10
  member.lose(partition)
  member.drop(partition)
  assert.deepEqual([member.inHand, member.inHandBytes, lost], [0, 0, ['0/1']])
})
