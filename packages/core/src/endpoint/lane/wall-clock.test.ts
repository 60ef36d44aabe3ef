import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LaneMachine } from './machine.ts'

const hourMs = 3_600_000
const startMs = Date.UTC(2026, 0, 1)

/** A machine that was told at `startMs` of a suspended lane, due then and `inMs`. `reads`: whether it asks for the lane now. */
function told(inMs: number): { at(monotonicMs: number, wallMs: number): void; reads(): boolean } {
  const machine = new LaneMachine<string>({ order: 'key', onDeadLetter: 'continue', holdMaxMs: 1000, windowCount: 10, lot: true }, () => 'route')
  machine.setTime(0, startMs)
  machine.assigned('p', [{ lane: 'key:k', partition: 'p', state: 'suspended', dueAtMs: startMs + inMs, count: 1 }])
  return {
    at: (monotonicMs, wallMs) => machine.setTime(monotonicMs, wallMs),
    reads: () => machine.commands.some(({ kind }) => kind === 'read'),
  }
}

test('a lane that was told by a clock an hour behind is read when the clock is put right (torture 20091)', () => {
  const lane = told(hourMs)
  lane.at(10, startMs + 10)
  assert.equal(lane.reads(), false)
  lane.at(20, startMs + hourMs + 20)
  assert.equal(lane.reads(), true)
})

test('a clock that is put right in steps reads it at its time, not before', () => {
  const lane = told(hourMs)
  lane.at(1000, startMs + hourMs / 2)
  assert.equal(lane.reads(), false)
  lane.at(2000, startMs + hourMs - 1)
  assert.equal(lane.reads(), false)
  lane.at(2001, startMs + hourMs)
  assert.equal(lane.reads(), true)
})

test('a clock that goes back and forth makes no lane wait longer, and none come before its time', () => {
  const lane = told(60_000)
  lane.at(1000, startMs - hourMs)
  lane.at(2000, startMs + 2000)
  assert.equal(lane.reads(), false)
  lane.at(3000, startMs - hourMs)
  lane.at(60_000, startMs - hourMs + 57_000)
  assert.equal(lane.reads(), true)
})
