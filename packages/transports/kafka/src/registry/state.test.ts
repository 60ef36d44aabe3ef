import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RegistryRecord, RegistryState } from './state.ts'

const channel: RegistryRecord = { op: 'channel', name: 'c', kind: 'events', partitions: 2 }
const group = (over: object = {}): RegistryRecord => ({
  ...{ op: 'group', channel: 'c', group: 'g', order: 'key', provisional: false, ephemeral: false, starts: [3, 4], stored: 7, ...over },
})

function filled(...records: readonly RegistryRecord[]): RegistryState {
  const state = new RegistryState()
  records.forEach((record, number) => state.apply(record, number))
  return state
}

test('the first to declare decides; who contradicts is refused', () => {
  const state = filled(channel)
  assert.equal(state.apply({ op: 'channel', name: 'c', kind: 'commands', partitions: 2 }, 1), 'refused')
  assert.equal(state.apply(group(), 2), 'done')
  assert.equal(state.apply(group({ starts: [0, 0] }), 3), 'done')
  assert.deepEqual(state.group('c', 'g')?.starts, [3, 4])
  assert.equal(state.apply(group({ order: 'none' }), 4), 'refused')
  assert.equal(state.apply(group({ channel: 'unknown' }), 5), 'refused')
  assert.equal(state.channels.get('c')?.unrouted, 7, 'what was there before its first group')
})

test('a sender guesses, the first member decides', () => {
  const state = filled(channel, group({ provisional: true }), group({ order: 'none' }))
  assert.deepEqual([state.group('c', 'g')?.order, state.group('c', 'g')?.provisional], ['none', false])
  assert.equal(state.apply(group({ provisional: true, order: 'key' }), 9), 'done')
  assert.equal(state.group('c', 'g')?.order, 'none')
})

test('a change that was sent twice counts once, and has the number of its record', () => {
  const change: RegistryRecord = { op: 'change', channel: 'c', group: 'g', id: 'x', change: { kind: 'purge', before: [1, 1] } }
  const state = filled(channel, group(), change)
  assert.equal(state.apply(change, 8), 'refused')
  assert.deepEqual(
    state.group('c', 'g')?.changes.map(({ number }) => number),
    [2],
  )
})

test('types that nobody announces for a day are forgotten', () => {
  const types = (list: readonly string[], nowMs: number): RegistryRecord => ({ op: 'types', channel: 'c', group: 'g', types: list, nowMs })
  const state = filled(channel, group(), types(['old', 'both'], 1), types(['new', 'both'], 24 * 3_600_000 + 2))
  assert.deepEqual(Object.keys(state.group('c', 'g')?.types ?? {}).sort(), ['both', 'new'])
})

test('a snapshot is the whole state', () => {
  const state = filled(
    channel,
    group(),
    { op: 'paused', channel: 'c', group: 'g', paused: true },
    { op: 'wants', channel: 'c', group: 'g', partition: 1, type: 't' },
  )
  const snapshot = JSON.parse(JSON.stringify(state.snapshot()))
  assert.deepEqual(filled({ op: 'snapshot', state: snapshot }).snapshot(), state.snapshot())
})
