import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '@sluice/core/transport'
import { type Assignment, type MemberWord, plan } from './plan.ts'

const word = (owned: readonly number[], types: readonly string[] = ['t'], generation = 1): MemberWord => ({ generation, owned, types })

test('nobody gets what another one still owns; it moves a generation later', () => {
  const first = plan(
    new Map([
      ['a', word([0, 1, 2, 3])],
      ['b', word([])],
    ]),
    4,
    {},
  )
  assert.deepEqual([first.get('a')?.own, first.get('a')?.giveUp, first.get('b')?.own, first.get('a')?.isSettled], [[0, 1], [2, 3], [], false])
  const second = plan(
    new Map([
      ['a', word([0, 1])],
      ['b', word([])],
    ]),
    4,
    {},
  )
  assert.deepEqual([second.get('a')?.own, second.get('b')?.own, second.get('b')?.isSettled], [[0, 1], [2, 3], true])
})

test('nothing moves that need not: the odd one stays where it is', () => {
  assert.deepEqual(
    plan(
      new Map([
        ['a', word([])],
        ['b', word([0])],
      ]),
      1,
      {},
    ).get('b')?.own,
    [0],
  )
  assert.deepEqual(
    plan(
      new Map([
        ['a', word([0, 1])],
        ['b', word([2, 3, 4])],
      ]),
      5,
      {},
    ).get('b')?.giveUp,
    [],
  )
})

test('of two who say that they own it, the later generation counts', () => {
  const plans = plan(
    new Map([
      ['a', word([0], ['t'], 3)],
      ['b', word([0], ['t'], 4)],
    ]),
    1,
    {},
  )
  assert.deepEqual([plans.get('a')?.own, plans.get('b')?.own], [[], [0]])
})

test('a partition goes to a member that handles the type found in it', () => {
  const plans = plan(
    new Map([
      ['a', word([0, 1])],
      ['b', word([2, 3], ['t', 'new'])],
    ]),
    4,
    { 0: 'new' },
  )
  assert.deepEqual([plans.get('a')?.giveUp, plans.get('b')?.types], [[0], { t: 2, new: 1 }])
  const after = plan(
    new Map([
      ['a', word([1])],
      ['b', word([2, 3], ['t', 'new'])],
    ]),
    4,
    { 0: 'new' },
  )
  assert.ok(after.get('b')?.own.includes(0))
  assert.deepEqual(plan(new Map([['a', word([0])]]), 1, { 0: 'unheard of' }).get('a')?.own, [0])
})

test('members that come and go: each partition has one owner in the end, shares are even, and it settles', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed)
    const owned = new Map<string, readonly number[]>()
    for (let step = 0; step < 30; step++) {
      if (random() < 0.5 || owned.size === 0) owned.set(`m${step}`, [])
      else owned.delete([...owned.keys()][Math.floor(random() * owned.size)] ?? '')
      if (owned.size === 0) continue
      let plans: ReadonlyMap<string, Assignment> = new Map()
      for (let generation = 0; generation < 4; generation++) {
        plans = plan(new Map([...owned].map(([name, list]) => [name, word(list)])), 8, {})
        const holders = new Set<number>()
        for (const [name, { own, giveUp }] of plans) {
          for (const index of [...own, ...giveUp]) {
            assert.ok(!holders.has(index), `seed ${seed}: partition ${index} has two holders`)
            holders.add(index)
          }
          owned.set(name, own)
        }
        if ([...plans.values()].every(({ isSettled }) => isSettled)) break
      }
      const shares = [...plans.values()].map(({ own }) => own.length)
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        8,
        `seed ${seed}`,
      )
      assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, `seed ${seed}: ${shares}`)
    }
  }
})
