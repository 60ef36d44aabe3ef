import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openBus, place } from '../../test/bus-file.ts'

// The last process that closes a file holds it exclusively while it empties and deletes the log. To open just then was
// refused at once with STORE_BUSY: the first statement of all (which SQLite is it?) stood outside the retries.
test('a file that another connection holds exclusively for a moment opens a moment later', async (t) => {
  const path = place(t)
  await (await openBus(path)).close()
  const other = new DatabaseSync(path)
  other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  let opened = false
  const opening = openBus(path).finally(() => {
    opened = true
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(opened, false)
  other.exec('COMMIT')
  other.close()
  await (await opening).close()
})
