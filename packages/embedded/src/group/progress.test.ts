import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '@sluice/core/transport'
import { decodeRanges, encodeRanges, isDone, type Progress, reopened, skippedTo } from './progress.ts'

const end = 60

function randomProgress(random: () => number): { readonly progress: Progress; readonly done: Set<number> } {
  const done = new Set<number>()
  const cursor = 1 + Math.floor(random() * 20)
  for (let position = 1; position < cursor; position++) done.add(position)
  const ranges: number[] = []
  for (let position = cursor + 1; position < end; ) {
    const from = position + Math.floor(random() * 6)
    const to = from + 1 + Math.floor(random() * 5)
    if (to >= end) break
    ranges.push(from, to)
    for (let each = from; each < to; each++) done.add(each)
    position = to + 1
  }
  return { progress: { cursor, ranges }, done }
}

test('reopening and skipping agree with a set of positions, for any progress', () => {
  const random = seededRandom(7)
  for (let round = 0; round < 5_000; round++) {
    const { progress, done } = randomProgress(random)
    const from = 1 + Math.floor(random() * end)
    const to = 1 + Math.floor(random() * end)
    const again = reopened(progress, from, to)
    const skipped = skippedTo(progress, from)
    for (let position = 1; position < end; position++) {
      assert.equal(isDone(progress, position), done.has(position))
      assert.equal(
        isDone(again, position),
        done.has(position) && !(position >= from && position < to),
        `round ${round}: ${JSON.stringify({ progress, from, to, position, again })}`,
      )
      assert.equal(isDone(skipped, position), done.has(position) || position < from)
    }
    assert.deepEqual(decodeRanges(encodeRanges(again.ranges)), again.ranges)
  }
})
