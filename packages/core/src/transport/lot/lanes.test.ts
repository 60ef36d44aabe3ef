import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../clock/index.ts'
import { emptyLane, LotLanes, type WaitingLane } from './lanes.ts'

interface Entry {
  readonly position: number
  isHeld: boolean
}

const isHeld = (entry: Entry): boolean => entry.isHeld
const entries = (lane: WaitingLane<Entry> | undefined): number[] | undefined => lane?.entries.map(({ position }) => position)

/** A lane with these in it. */
function filled(lanes: LotLanes<Entry>, name: string, state: 'suspended' | 'parked', ...positions: readonly number[]): WaitingLane<Entry> {
  const lane = lanes.add(emptyLane<Entry>(name, state, 7))
  for (const position of positions) lane.entries.push({ position, isHeld: false })
  return lane
}

test('what is read is what nobody has in hand, in order; a parked lane gives nothing, an unknown one has nothing', () => {
  const lanes = new LotLanes<Entry>()
  const lane = filled(lanes, 'a', 'suspended', 1, 2, 3, 4)
  ;(lane.entries[0] as Entry).isHeld = true
  assert.deepEqual(
    lanes.free('a', 2, isHeld)?.map(({ position }) => position),
    [2, 3],
  )
  lanes.park(lane, 'L')
  assert.deepEqual([lanes.free('a', 2, isHeld), lanes.free('b', 2, isHeld)], [undefined, []])
  assert.deepEqual(lanes.describe('0/2'), [{ lane: 'a', partition: '0/2', state: 'parked', dueAtMs: 7, count: 4 }])
})

test('a suspended lane goes with its last entry; a parked one stays until its own dead letter is let go', () => {
  const lanes = new LotLanes<Entry>()
  const open = filled(lanes, 'a', 'suspended', 1, 2)
  assert.deepEqual([lanes.remove(open, open.entries[0] as Entry), lanes.remove(open, open.entries[0] as Entry), lanes.get('a')], [false, true, undefined])
  const parked = filled(lanes, 'b', 'suspended', 3)
  lanes.park(parked, 'L')
  assert.equal(lanes.remove(parked, parked.entries[0] as Entry), false)
  assert.equal(lanes.letGo('b', 'another'), undefined)
  assert.equal(lanes.letGo('b', 'L'), parked)
  assert.deepEqual([parked.state, lanes.size], ['suspended', 0])
})

test('redriven, a message comes before what is behind it, and opens the lane only if it was parked behind this one', () => {
  const lanes = new LotLanes<Entry>()
  const lane = filled(lanes, 'a', 'suspended', 3, 4)
  lanes.park(lane, 'L2')
  const behind =
    (position: number) =>
    (other: Entry): boolean =>
      other.position > position
  assert.equal(lanes.putBack(lane, { position: 1, isHeld: false }, 'L1', behind(1)), false)
  assert.deepEqual([lane.state, lanes.countBehind('a', 'L2'), lanes.countBehind('a', 'L1')], ['parked', 3, 0])
  assert.equal(lanes.putBack(lane, { position: 2, isHeld: false }, 'L2', behind(2)), true)
  assert.deepEqual([entries(lane), lane.state, lane.dueAtMs, lane.parkedBy], [[1, 2, 3, 4], 'suspended', 0, undefined])
})

test('whatever happens to a lane: nothing is lost or doubled, all of it stays in order, and it waits only as long as something is in it or it is parked', () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = seededRandom(seed)
    const lanes = new LotLanes<Entry>()
    const names = ['a', 'b']
    const dead = new Map<string, { readonly lane: string; readonly position: number }>()
    const moved = new Map(names.map((name) => [name, [] as number[]]))
    const done = new Map(names.map((name) => [name, [] as number[]]))
    let next = 0
    const check = (): void => {
      for (const name of names) {
        const lane = lanes.get(name)
        const here = entries(lane) ?? []
        assert.deepEqual(
          here,
          here.toSorted((a, b) => a - b),
          `seed ${seed}: ${name} is out of order`,
        )
        assert.ok(lane === undefined || here.length > 0 || lane.state === 'parked', `seed ${seed}: ${name} is empty and open`)
        assert.equal(lane?.state === 'parked', lane?.parkedBy !== undefined && dead.get(lane.parkedBy)?.lane === name, `seed ${seed}`)
        const gone = [...dead.values()].flatMap((letter) => (letter.lane === name ? [letter.position] : []))
        assert.deepEqual(
          [...here, ...gone, ...(done.get(name) ?? [])].sort((a, b) => a - b),
          moved.get(name),
          `seed ${seed}: lost or doubled`,
        )
      }
    }
    for (let step = 0; step < 150; step++) {
      const name = names[Math.floor(random() * names.length)] as string
      const chance = random()
      const lane = lanes.get(name)
      const [letterId] = [...dead.keys()].filter(() => random() < 0.5)
      if (chance < 0.4) {
        moved.get(name)?.push(next)
        ;(lane ?? lanes.add(emptyLane<Entry>(name, 'suspended', 0))).entries.push({ position: next++, isHeld: false })
      } else if (chance < 0.7) {
        const [head] = lanes.free(name, 1, isHeld) ?? []
        if (lane === undefined || head === undefined) continue
        if (random() < 0.5) done.get(name)?.push(head.position)
        else {
          const id = `L${step}`
          dead.set(id, { lane: name, position: head.position })
          if (random() < 0.7) lanes.park(lane, id)
        }
        lanes.remove(lane, head)
      } else if (letterId !== undefined) {
        const letter = dead.get(letterId) as { readonly lane: string; readonly position: number }
        dead.delete(letterId)
        if (random() < 0.5) {
          done.get(letter.lane)?.push(letter.position)
          lanes.letGo(letter.lane, letterId)
        } else {
          const home = lanes.get(letter.lane) ?? lanes.add(emptyLane<Entry>(letter.lane, 'suspended', 0))
          lanes.putBack(home, { position: letter.position, isHeld: false }, letterId, (other) => other.position > letter.position)
        }
      }
      check()
    }
  }
})
