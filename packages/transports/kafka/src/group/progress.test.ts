import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSluiceError, seededRandom } from '@sluice/core/transport'
import { metadataCharsMax, Progress } from './progress.ts'

const offsetsDone = (progress: Progress, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i).filter((offset) => progress.isDone(offset))

test('a message that waits does not hold up what is done behind it', () => {
  const progress = new Progress(100)
  progress.done(102)
  progress.done(104, 106)
  assert.deepEqual([progress.watermark, offsetsDone(progress, 98, 108)], [100, [98, 99, 102, 104, 105]])
  assert.deepEqual(
    [100, 102, 103, 104, 99].map((offset) => progress.nextOpen(offset)),
    [100, 103, 103, 106, 100],
  )
  progress.done(100, 102)
  assert.deepEqual([progress.watermark, progress.runs], [103, 1])
  progress.done(103)
  assert.deepEqual([progress.watermark, progress.runs], [106, 0])
})

test('a new owner reads from the commit what is done and what may have been begun', () => {
  const progress = new Progress(2 ** 40)
  progress.claimed = 2 ** 40 + 500
  for (const offset of [3, 4, 9, 400]) progress.done(2 ** 40 + offset)
  const read = Progress.read(progress.watermark, progress.metadata())
  assert.deepEqual([read.watermark, read.claimed, read.metadata()], [2 ** 40, 2 ** 40 + 500, progress.metadata()])
  assert.deepEqual(offsetsDone(read, 2 ** 40, 2 ** 40 + 500), offsetsDone(progress, 2 ** 40, 2 ** 40 + 500))
})

test("metadata of others, and of another offset than the committed one, counts for nothing; a newer format's is refused", () => {
  const progress = new Progress(7)
  progress.done(9)
  for (const [watermark, metadata] of [
    [7, ''],
    [7, null],
    [7, 'written by a tool'],
    [8, progress.metadata()],
  ] as const)
    assert.deepEqual(offsetsDone(Progress.read(watermark, metadata), watermark, 12), [])
  assert.throws(
    () => Progress.read(7, '2:AAAA'),
    (error) => isSluiceError(error) && error.code === 'UNSUPPORTED',
  )
})

test('whatever is settled in whatever order: equal to a plain set, and never too long for a commit', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = seededRandom(seed)
    const start = seed % 2 === 0 ? 0 : 2 ** 50
    const progress = new Progress(start)
    const done = new Set<number>()
    const open: number[] = []
    let next = start
    let longest = 0
    for (let step = 0; step < 3_000; step++) {
      // Mostly every other one is settled: as many gaps as there can be.
      while (progress.admits(next, open.length) && random() < 0.9) open.push(next++)
      const pick = random() < 0.02 ? 0 : Math.floor(random() * open.length)
      const [offset] = open.splice(pick, 1)
      if (offset === undefined) continue
      done.add(offset)
      progress.done(offset)
      if (step % 50 !== 0) continue
      const text = progress.metadata()
      longest = Math.max(longest, text.length)
      assert.ok(text.length <= metadataCharsMax, `seed ${seed}: ${text.length} characters`)
      const read = Progress.read(progress.watermark, text)
      for (let at = start; at < next; at += 1 + Math.floor(random() * 7))
        assert.equal(read.isDone(at), done.has(at) || at < start, `seed ${seed}, offset ${at - start}`)
      assert.equal(progress.watermark, Math.min(...open, next), `seed ${seed}`)
    }
    assert.ok(longest > 500, `seed ${seed}: the set was never large (${longest})`)
  }
})

test('the bound is tight enough to be reached: every second one open, far from the watermark', () => {
  const progress = new Progress(0)
  let open = 0
  let offset = 0
  for (; progress.admits(offset, open); offset++) {
    if (offset % 2 === 0) open++
    else progress.done(offset)
  }
  assert.ok(progress.metadata().length <= metadataCharsMax)
  assert.ok(progress.runs > 900, `${progress.runs} runs`)
})

test('what comes again is open, the rest stays done; how many come again is counted', () => {
  const progress = new Progress(0)
  progress.done(0, 10)
  progress.done(12, 20)
  assert.equal(progress.undo(4, 14), 8)
  assert.deepEqual([progress.watermark, offsetsDone(progress, 0, 22), progress.doneBeyond], [4, [0, 1, 2, 3, 14, 15, 16, 17, 18, 19], 6])
  assert.equal(progress.undo(0, 3), 3)
  assert.deepEqual(offsetsDone(progress, 0, 22), [3, 14, 15, 16, 17, 18, 19])
  assert.equal(progress.undo(30, 40), 0)
  progress.done(0, 14)
  assert.deepEqual([progress.watermark, progress.runs], [20, 0])
})

test('undoing is what a plain set does, and survives a commit with the number of the change', () => {
  const random = seededRandom(5)
  for (let round = 0; round < 50; round++) {
    const progress = new Progress(0)
    const done = new Set<number>()
    for (let step = 0; step < 40; step++) {
      const from = Math.floor(random() * 60)
      const to = from + Math.floor(random() * 8)
      if (random() < 0.7) {
        progress.done(from, to)
        for (let at = from; at < to; at++) done.add(at)
      } else {
        let count = 0
        for (let at = from; at < to; at++) if (done.delete(at)) count++
        assert.equal(progress.undo(from, to), count, `round ${round}, step ${step}`)
      }
      progress.change = step
      const read = Progress.read(progress.watermark, progress.metadata())
      assert.deepEqual([offsetsDone(read, 0, 70), read.change], [[...done].sort((a, b) => a - b), step], `round ${round}, step ${step}`)
    }
  }
})
