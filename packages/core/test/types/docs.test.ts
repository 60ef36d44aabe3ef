/** The TypeScript of docs/reference/contracts.md compiles as it stands there, and its marked mistake is one. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createCheck } from './checker.ts'

const page = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/reference/contracts.md'), 'utf8')

test('the examples of the contracts page compile', () => {
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  assert.ok(blocks.length >= 6)
  const code = blocks.join('\n').replaceAll("from 'sluice'", "from '../../src/index.ts'")
  const used = 'export type Used = [In, Out]\n'
  const check = createCheck()
  assert.deepEqual(check(code + used).errors, [])
  assert.equal(check(code.replace('@ts-expect-error', '') + used).errors.length, 1)
})
