import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryState } from './state.ts'

const place = { channel: 'c', group: 'g' } as const

function withGroup(partitions = 4, more: { readonly provisional?: boolean; readonly ephemeral?: boolean; readonly hasBefore?: boolean } = {}): RegistryState {
  const state = new RegistryState()
  state.apply({ op: 'channel', name: 'c', kind: 'events', partitions })
  state.apply({ op: 'group', ...place, order: 'key', provisional: false, ephemeral: false, hasBefore: false, partitions, nowMs: 0, ...more })
  return state
}

const join = (state: RegistryState, id: string, types: readonly string[] = ['t'], nowMs = 0): void =>
  void state.apply({ op: 'join', ...place, member: { id, instance: `i-${id}`, types }, nowMs })

test('a channel carries one kind, and its partitions only grow', () => {
  const state = withGroup()
  assert.equal(state.apply({ op: 'channel', name: 'c', kind: 'commands', partitions: 4 }), 'refused')
  assert.equal(state.apply({ op: 'channel', name: 'c', kind: 'events', partitions: 2 }), 'done')
  assert.equal(state.channels.get('c')?.partitions, 4)
})

test('of two who settle a provisional group, the second is refused if it wants another order', () => {
  const state = withGroup(1, { provisional: true })
  const settle = { op: 'group', ...place, provisional: false, ephemeral: false, hasBefore: false, nowMs: 0 } as const
  assert.equal(state.apply({ ...settle, order: 'none', partitions: 4 }), 'done')
  assert.equal(state.apply({ ...settle, order: 'channel', partitions: 1 }), 'refused')
  assert.equal(state.group('c', 'g')?.order, 'none')
  assert.equal(state.group('c', 'g')?.growth?.partitions, 4)
})

test('partitions grow only when all old ones were moved, and those new ones that got something have it come first', () => {
  const state = withGroup(2)
  assert.equal(state.apply({ op: 'grow', ...place, partitions: 4 }), 'done')
  assert.equal(state.apply({ op: 'grow', ...place, partitions: 8 }), 'refused')
  assert.equal(state.apply({ op: 'moved', ...place, nowMs: 0, partition: '0/2' }), 'refused', 'not before the new ones are bound')
  state.apply({ op: 'halted', ...place, partition: '0/2' })
  state.apply({ op: 'bound', ...place, partitions: 4 })
  assert.equal(state.apply({ op: 'before', ...place, partition: '2/4' }), 'done')
  state.apply({ op: 'before', ...place, partition: '2/4' })
  state.apply({ op: 'moved', ...place, nowMs: 0, partition: '0/2' })
  assert.equal(state.apply({ op: 'moved', ...place, nowMs: 0, partition: '0/2' }), 'refused')
  assert.equal(state.group('c', 'g')?.partitions, 2)
  state.apply({ op: 'moved', ...place, nowMs: 0, partition: '1/2' })
  const group = state.group('c', 'g')
  assert.deepEqual([group?.partitions, group?.growth, group?.befores], [4, undefined, ['2/4']])
  assert.equal(state.apply({ op: 'before', ...place, partition: '3/4' }), 'refused', 'it is over')
})

test('what a dead instance owned is marked until its heir has taken it; a clean leave marks nothing', () => {
  const state = withGroup()
  join(state, 'a')
  join(state, 'b')
  const group = state.group('c', 'g')
  assert.ok(group)
  const ofB = [...state.plan(group)].filter(([, { id }]) => id === 'b').map(([partition]) => partition)
  state.apply({ op: 'dead', instance: 'i-b' })
  assert.deepEqual([...group.orphans].sort(), ofB.sort())
  assert.deepEqual([group.members.length, group.deaths], [1, 1])
  state.apply({ op: 'dead', instance: 'i-b' })
  assert.equal(group.deaths, 1)
  state.apply({ op: 'adopted', ...place, partition: ofB[0] as string })
  assert.equal(group.orphans.length, ofB.length - 1)
  state.apply({ op: 'leave', ...place, id: 'a', nowMs: 0 })
  assert.equal(group.orphans.length, ofB.length - 1)
})

test('a partition goes to a member that knows the type found in it', () => {
  const state = withGroup()
  join(state, 'a', ['t'])
  join(state, 'b', ['t', 'new'])
  const group = state.group('c', 'g')
  assert.ok(group)
  const ofA = [...state.plan(group)].find(([, { id }]) => id === 'a')?.[0] as string
  state.apply({ op: 'wants', ...place, partition: ofA, type: 'new' })
  assert.equal(state.plan(group).get(ofA)?.id, 'b')
})

test('a type that nobody announced for a day is forgotten', () => {
  const state = withGroup()
  join(state, 'a', ['old'])
  state.apply({ op: 'leave', ...place, id: 'a', nowMs: 0 })
  join(state, 'b', ['t'], 25 * 3_600_000)
  assert.deepEqual(Object.keys(state.group('c', 'g')?.types ?? {}), ['t'])
})

test('of many who fire a schedule one does; the same cron keeps its next time', () => {
  const state = new RegistryState()
  const message = { channel: 'c', sizeBytes: 1, envelope: { id: 'i', type: 't', source: 's', time: '', body: '' } }
  const schedule = { name: 's', cron: '* * * * *', timeZone: 'UTC', nextAtMs: 1, message }
  state.apply({ op: 'schedule', schedule })
  const fire = { op: 'fire', name: 's', expectedAtMs: 1, nextAtMs: 2, firing: { id: 'f', instance: 'a', message } } as const
  assert.deepEqual([state.apply(fire), state.apply(fire)], ['done', 'refused'])
  const claim = { op: 'claim', id: 'f', from: 'a' } as const
  assert.deepEqual([state.apply({ ...claim, to: 'b' }), state.apply({ ...claim, to: 'c' })], ['done', 'refused'], 'one takes over what a dead one fired')
  assert.deepEqual([state.apply({ op: 'fired', id: 'f' }), state.schedules.firings.size], ['done', 0])
  state.apply({ op: 'schedule', schedule: { ...schedule, nextAtMs: 9 } })
  assert.equal(state.schedules.get('s')?.nextAtMs, 2)
})

test('a snapshot is the state', () => {
  const state = withGroup()
  join(state, 'a')
  const copy = new RegistryState()
  copy.restore(JSON.parse(JSON.stringify(state.snapshot())))
  assert.deepEqual(copy.snapshot(), state.snapshot())
})
