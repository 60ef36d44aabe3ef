import assert from 'node:assert/strict'
import { test } from 'node:test'
import './typescript-6.mjs'

const { withoutShortcuts, withPictures } = await import('./picture.ts')

test('an edge that a longer way shows is left out, in any order', () => {
  assert.deepEqual(
    withoutShortcuts([
      ['a', 'c'],
      ['a', 'b'],
      ['b', 'c'],
    ]),
    [
      ['a', 'b'],
      ['b', 'c'],
    ],
  )
})

test('a picture is put between its comments, and a missing place is an error', () => {
  const page = 'x\n<!-- picture: one -->\nold\n<!-- end of picture -->\ny\n'
  assert.equal(withPictures(page, { one: 'new' }), 'x\n<!-- picture: one -->\nnew\n<!-- end of picture -->\ny\n')
  assert.throws(() => withPictures(page, { two: 'new' }), /no place/)
})
