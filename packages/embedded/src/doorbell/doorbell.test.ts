import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { newId } from '@sluice/core/transport'
import { place } from '../../test/bus-file.ts'
import { readBell } from './bell-file.ts'
import { Doorbell } from './doorbell.ts'

function bell(path: string, seq: number): void {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleLE(seq, 0)
  writeFileSync(`${path}-bell`, buffer)
}

// Found by the crash runs (seed 3017): who opened a file while others published was told that it is corrupt.
test('a commit that is rung while the file is being opened is no missing one', (t) => {
  const path = place(t)
  bell(path, 5)
  const doorbell = new Doorbell(
    path,
    () => {
      bell(path, 7)
      return 6
    },
    false,
    () => {},
    newId(),
  )
  assert.equal(doorbell.syncedSeq(), 7)
  doorbell.close()
})

test('a bell above the commits of the file says that some are missing', (t) => {
  const path = place(t)
  bell(path, 5)
  assert.throws(
    () =>
      new Doorbell(
        path,
        () => 4,
        false,
        () => {},
        newId(),
      ),
    { code: 'STORE_CORRUPT' },
  )
})

test('a bell of another bus is told; one that names none is named', (t) => {
  const path = place(t)
  bell(path, 3)
  const [mine, other] = [newId(), newId()]
  const open = (busId: string): Doorbell =>
    new Doorbell(
      path,
      () => 4,
      false,
      () => {},
      busId,
    )
  open(mine).close()
  assert.deepEqual(readBell(path), { syncedSeq: 3, busId: mine })
  open(mine).close()
  assert.throws(() => open(other), { code: 'STORE_CORRUPT' })
})
