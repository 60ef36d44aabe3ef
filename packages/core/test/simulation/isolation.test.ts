import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LaneCommand, LaneMachine } from '../../src/endpoint/lane/index.ts'
import type { Delivery } from '../../src/transport/index.ts'

function suspect(id: string, fromLot = false): Delivery {
  return {
    envelope: { id, type: 't', source: 's', time: '', body: '{}', partitionkey: 'k' },
    ...{ partition: 'p', attempt: 0, deliveries: 1, firstDeliveredAtMs: undefined, notBeforeMs: 0, suspect: true, storedAtMs: 0, sizeBytes: 200 },
    ...{ fromLot, note: undefined },
  }
}

// Found by the crash runs (seed 1045): the group stood still for ever.
test('a suspect on its last attempt that steps back behind redriven messages does not keep those waiting', () => {
  const machine = new LaneMachine<string>(
    { order: 'key', onDeadLetter: 'continue', holdMaxMs: 1_000, windowCount: 1_000, lot: true, attemptsOf: () => 1 },
    () => 'r',
  )
  const request = (kind: 'record' | 'read'): Extract<LaneCommand<string>, { readonly kind: typeof kind }> => {
    const command = machine.commands.shift()
    assert.equal(command?.kind, kind)
    return command as Extract<LaneCommand<string>, { readonly kind: typeof kind }>
  }
  machine.setTime(1, 1)
  machine.assigned('p', [])
  machine.arrive(suspect('a'), 'r')
  const first = request('record')
  // While its attempt is being recorded, a person puts dead letters of its key back.
  machine.lotChanged('p', [{ lane: 'key:k', partition: 'p', state: 'suspended', dueAtMs: 0, count: 1 }])
  machine.done(first)
  machine.done(request('read'), [suspect('redriven', true)])
  machine.done(request('record'))
  const redriven = machine.take()
  assert.equal(redriven?.delivery.envelope.id, 'redriven')
  machine.finish(redriven, { kind: 'accept' })
  // Then it has its turn, alone again.
  machine.done(request('record'))
  const last = machine.take()
  assert.equal(last?.delivery.envelope.id, 'a')
  assert.equal(last?.isolated, true)
})
