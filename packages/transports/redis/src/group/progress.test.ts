import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '@sluice/core/transport'
import type { LogEntry } from '../wire/entries.ts'
import { after, firstPosition, type Position, positionAt } from '../wire/position.ts'
import { LogDelivery } from './delivery.ts'
import { OwnedPartition, type TakenPartition } from './partition.ts'
import { decodeRanges, encodeRanges, isDone, type Progress, reopened } from './progress.ts'

const at = (n: number): Position => positionAt(1_000 + n)

function taken(progress: Progress): TakenPartition {
  return { name: '0/1', epoch: 1, cursor: progress.cursor, done: encodeRanges(progress.ranges), claimed: progress.cursor, suspectBefore: '', deaths: 0 }
}

/** Reads on as `collect` does, up to position `to`. */
function readOn(partition: OwnedPartition, to: number): LogDelivery[] {
  const deliveries: LogDelivery[] = []
  for (let n = 0; n < to; n++) {
    if (at(n) < partition.readFrom || partition.skips(at(n))) continue
    const delivery = new LogDelivery(partition, { position: at(n) } as LogEntry, 0, undefined, 0, undefined)
    partition.add(delivery)
    deliveries.push(delivery)
  }
  partition.readFrom = at(to)
  return deliveries
}

test('whatever is settled in whatever order, over hand-overs: exactly that is done, and is not read again', () => {
  const random = seededRandom(3)
  for (let round = 0; round < 300; round++) {
    const done = new Set<number>()
    let progress: Progress = { cursor: at(0), ranges: [] }
    let held = 0
    for (let owner = 0; owner < 4; owner++) {
      const partition = new OwnedPartition(taken(progress), new Map())
      held += Math.floor(random() * 12)
      const deliveries = readOn(partition, held)
      const expected = Array.from({ length: held }, (_, n) => n).filter((n) => !done.has(n))
      assert.deepEqual(
        deliveries.map(({ position }) => position),
        expected.map(at),
        `round ${round}`,
      )
      for (const [i, delivery] of deliveries.entries()) {
        if (random() < 0.5) continue
        partition.settle(delivery)
        done.add(expected[i] as number)
        if (random() < 0.3) partition.compact()
      }
      progress = partition.progress()
      for (let n = 0; n < held; n++) assert.equal(isDone(progress, at(n)), done.has(n), `round ${round}, position ${n}`)
      assert.equal(isDone(progress, at(held)), false)
    }
  }
})

test('reopening a span leaves the rest as it is', () => {
  const random = seededRandom(5)
  for (let round = 0; round < 500; round++) {
    const done = Array.from({ length: 20 }, () => random() < 0.6)
    let progress: Progress = { cursor: firstPosition, ranges: decodeRanges('') }
    const ranges = done.flatMap((is, n) => (is ? [at(n), after(at(n))] : []))
    progress = { cursor: firstPosition, ranges }
    const from = Math.floor(random() * 20)
    const to = Math.floor(random() * 21)
    const again = reopened(progress, at(from), at(to))
    for (let n = 0; n < 20; n++) assert.equal(isDone(again, at(n)), done[n] === true && !(n >= from && n < to), `round ${round}, ${n} of [${from}, ${to})`)
  }
})
