import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HeldDelivery, mustHold, settleHeld } from './held-deliveries.ts'
import { firstDelivery } from './unsettled-consumer.ts'

function delivery(id: string, state: HeldDelivery['state']): HeldDelivery {
  const envelope = { id, type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: '' }
  return { ...firstDelivery, envelope, partition: '0/1', storedAtMs: 0, sizeBytes: 1, state }
}

test('what is held is settled once, what was lost is told afterwards, what was settled before is left alone', async () => {
  const [held, lost, settled] = [delivery('a', 'held'), delivery('b', 'lost'), delivery('c', 'settled')]
  const done: string[] = []
  const late: string[] = []
  settleHeld(
    [held, lost, settled, held],
    (one: HeldDelivery) => {
      one.state = 'settled'
      done.push(one.envelope.id)
    },
    (those) => late.push(...those.map(({ envelope }) => envelope.id)),
  )
  assert.deepEqual([done, late], [['a'], []])
  await Promise.resolve()
  assert.deepEqual(late, ['b'])
})

test('all or nothing: with one that is not held any more it is LEASE_LOST', () => {
  const held = [delivery('a', 'held'), delivery('b', 'held')]
  assert.deepEqual(mustHold(held), held)
  for (const state of ['lost', 'settled'] as const) assert.throws(() => mustHold([...held, delivery('c', state)]), { code: 'LEASE_LOST' })
})
