import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownersByHash } from './assignment.ts'
import { assignPartitions, keyHash, mayOwnByTypes, partitionIndex, partitionName } from './index.ts'

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => partitionName(index, count))
const members = (...ids: string[]): { id: string }[] => ids.map((id) => ({ id }))

test('the hash never changes: other languages and files on disk depend on it', () => {
  const expected = [
    ['', 2872998923],
    ['a', 444641715],
    ['order-1', 2449496732],
    ['订单', 3288088400],
    ['\u{1f600}', 855877642],
    ['\ud83d', 1205388858],
  ] as const
  assert.deepEqual(
    expected.map(([key]) => [key, keyHash(key)]),
    expected,
  )
  assert.equal(keyHash('\ud83d'), keyHash('\ufffd'))
})

test('keys spread evenly, also short and similar ones', () => {
  for (const count of [2, 8, 12, 16]) {
    const load = new Array<number>(count).fill(0)
    for (let i = 0; i < 8_000; i++) load[partitionIndex(`k${i}`, count)] = (load[partitionIndex(`k${i}`, count)] as number) + 1
    const even = 8_000 / count
    assert.ok(
      load.every((n) => Math.abs(n - even) < even * 0.15),
      `${count}: ${load}`,
    )
  }
})

test('every partition has one owner, nobody has more than the ceiling, whatever the order of members', () => {
  for (const count of [1, 7, 8, 16]) {
    for (let n = 1; n <= 5; n++) {
      const ids = Array.from({ length: n }, (_, i) => `m${i}`)
      const plan = assignPartitions(names(count), members(...ids))
      assert.equal(plan.size, count)
      const load = new Map<string, number>()
      for (const { id } of plan.values()) load.set(id, (load.get(id) ?? 0) + 1)
      assert.ok([...load.values()].every((owned) => owned <= Math.ceil(count / n)))
      const again = assignPartitions(names(count), members(...ids.toReversed()))
      assert.deepEqual(
        [...again].map(([p, m]) => [p, m.id]),
        [...plan].map(([p, m]) => [p, m.id]),
      )
    }
  }
  assert.equal(assignPartitions(names(8), []).size, 0)
})

test('a join moves few partitions', () => {
  const before = assignPartitions(names(32), members('a', 'b', 'c'))
  const after = assignPartitions(names(32), members('a', 'b', 'c', 'd'))
  const moved = names(32).filter((name) => before.get(name)?.id !== after.get(name)?.id).length
  assert.ok(moved <= 16, `${moved} of 32 moved`)
})

test('mayOwn outranks the bound on load', () => {
  const plan = assignPartitions(names(8), members('a', 'b'), (_, member) => member.id === 'a')
  assert.deepEqual(new Set([...plan.values()].map((member) => member.id)), new Set(['a']))
  assert.equal(assignPartitions(names(8), members('a', 'b'), () => false).size, 0)
})

test('a partition that wants a type goes to a member that handles it, while there is one', () => {
  const owners = (wanted: string | undefined): string[] => {
    const both = [
      { id: 'a', types: ['t'] },
      { id: 'b', types: ['t', 'u'] },
    ]
    return [
      ...assignPartitions(
        names(8),
        both,
        mayOwnByTypes(both, (name) => (name === '3/8' ? wanted : undefined)),
      ).values(),
    ].map(({ id }) => id)
  }
  assert.equal(owners('u')[3], 'b')
  assert.deepEqual(owners('nobody handles it'), owners(undefined))
})

test('an owner is found by the hash, among partitions of several generations', () => {
  const old = { modulus: 2, residue: 0 }
  const [split, other] = [
    { modulus: 4, residue: 1 },
    { modulus: 4, residue: 3 },
  ]
  assert.deepEqual(ownersByHash([old, split, other]), [old, split, old, other])
  assert.deepEqual(ownersByHash([split]), [undefined, split, undefined, undefined])
  assert.deepEqual(ownersByHash([]), [undefined])
})
