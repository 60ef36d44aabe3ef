import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChangeListeners } from './listeners.ts'

test('listeners hear once of all that changes in one go, and again of what changes because they heard', async () => {
  const changes = new ChangeListeners()
  let heard = 0
  const listener = (): void => {
    heard++
    if (heard === 1) changes.tell()
  }
  changes.listen(listener)
  changes.tell()
  changes.tell()
  assert.equal(heard, 0)
  await Promise.resolve()
  assert.equal(heard, 1)
  await Promise.resolve()
  assert.equal(heard, 2)
  changes.unlisten(listener)
  changes.tell()
  await Promise.resolve()
  assert.equal(heard, 2)
})
