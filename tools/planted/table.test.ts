import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { planted } from './bug.ts'
import { bugs } from './bugs/index.ts'

test(`each of ${bugs.length} planted bugs fits its source: the text it replaces is there exactly once`, () => {
  const misfits = bugs.flatMap((bug) => {
    try {
      const source = readFileSync(new URL(`../../${bug.file}`, import.meta.url), 'utf8')
      return planted(source, bug) === source ? [`${bug.bug}: nothing changes`] : []
    } catch (error) {
      return [String(error)]
    }
  })
  assert.deepEqual(misfits, [], 'the source changed: plant the same bug in the new text')
})

test('planted bugs are told apart by what they do, and each names its checks', () => {
  assert.equal(new Set(bugs.map(({ bug }) => bug)).size, bugs.length)
  assert.deepEqual(
    bugs.filter(({ caughtBy }) => caughtBy.length === 0).map(({ bug }) => bug),
    [],
  )
})
