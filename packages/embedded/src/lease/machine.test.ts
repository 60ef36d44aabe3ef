import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { ManualClock } from '@sluice/core/transport'
import { currentProcess, isCertainlyDead, machineTime, processStarted } from './machine.ts'

const linux = process.platform === 'linux' ? false : 'only Linux has /proc'

test('a process is certainly dead only when its ids mean the same here, and it is gone', { skip: linux }, async () => {
  const self = currentProcess()
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  await once(child, 'spawn')
  const pid = child.pid as number
  const other = { ...self, pid, pidStarted: processStarted(pid) }
  assert.notEqual(other.pidStarted, '')
  assert.equal(isCertainlyDead(other, self), false)
  assert.equal(isCertainlyDead({ ...other, pidStarted: '1' }, self), true, 'the pid was used again by another process')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isCertainlyDead(other, self), true)
  assert.equal(isCertainlyDead({ ...other, pidNamespace: 'pid:[1]' }, self), false, 'another container: its ids say nothing here')
  assert.equal(isCertainlyDead({ ...other, bootId: 'another' }, self), true, 'of an earlier boot')
  assert.equal(isCertainlyDead({ ...other, bootId: '' }, self), false)
})

test('machine time goes on from boot for all processes, and follows a clock that is moved', () => {
  const clock = new ManualClock()
  const now = machineTime(clock)
  assert.ok(Math.abs(now() - Number(process.hrtime.bigint()) / 1e6) < 1000)
  const before = now()
  clock.advance(5000)
  assert.ok(Math.abs(now() - before - 5000) < 1)
})
