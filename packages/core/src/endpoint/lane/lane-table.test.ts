import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../clock/index.ts'
import { LaneTable } from './lane-table.ts'
import { Lane, Partition } from './model.ts'

const partition = new Partition<undefined>('p', 1)
const laneOf = (key: string): Lane<undefined> => new Lane('key', key, partition)

for (const seed of [0, 1, 0x9e3779b1, 0xffffffff]) {
  test(`a table of lanes holds what a Map would, seed ${seed}`, () => {
    const random = seededRandom(seed)
    const table = new LaneTable<Lane<undefined>>(seed)
    const model = new Map<string, Lane<undefined>>()
    for (let step = 0; step < 20_000; step++) {
      const n = Math.floor(random() * 700)
      const key = n % 3 === 0 ? '' : n % 3 === 1 ? `c${n}` : `客${'x'.repeat(n % 40)}${n}`
      assert.equal(table.get(key), model.get(key))
      const known = model.get(key)
      // Grows beyond its first buckets in one phase, is nearly empty in the next.
      if (known === undefined && random() < (step % 8_000 < 4_000 ? 0.9 : 0.2)) {
        const lane = laneOf(key)
        table.add(lane)
        model.set(key, lane)
      } else if (known !== undefined && random() < 0.4) {
        table.remove(known)
        model.delete(key)
        assert.equal(known.nextInBucket, undefined, 'what has gone keeps nobody')
      }
      assert.equal(table.size, model.size)
    }
    for (const [key, lane] of model) assert.equal(table.get(key), lane)
  })
}

test('removing a lane that another one has replaced leaves the other', () => {
  const table = new LaneTable<Lane<undefined>>(1)
  const first = laneOf('k')
  const second = laneOf('k')
  table.add(first)
  table.remove(first)
  table.add(second)
  table.remove(first)
  assert.equal(table.get('k'), second)
  assert.equal(table.size, 1)
})

test('lanes that went point to nobody, so that old ones do not keep younger ones', () => {
  const lanes = ['a', 'b', 'c'].map(laneOf)
  const [a, b, c] = lanes as [Lane<undefined>, Lane<undefined>, Lane<undefined>]
  for (const lane of lanes) partition.link(lane)
  partition.unlink(b)
  assert.deepEqual(partition.allLanes(), [c, a])
  partition.unlink(c)
  partition.unlink(a)
  for (const lane of lanes) assert.deepEqual([lane.nextLane, lane.previousLane], [undefined, undefined])
  assert.deepEqual(partition.allLanes(), [])
})
