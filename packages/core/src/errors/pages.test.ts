/** Codes, pages and types tell one story, both ways. (That each code is thrown by somebody is a rule of `tools/tidy`.) */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { type ErrorCode, errorCodes, SluiceError } from './index.ts'

const folder = path.resolve(import.meta.dirname, '../../../../docs/reference/errors')
const codes = Object.keys(errorCodes) as ErrorCode[]
const pages = new Map(
  readdirSync(folder)
    .filter((name) => name !== 'README.md')
    .map((name) => [name.replace(/\.md$/, ''), readFileSync(path.join(folder, name), 'utf8')]),
)
/** Codes that are never thrown as an error: they only stand as the reason of a dead letter. */
const reasonsOnly: readonly string[] = ['HANDLER_FAILED', 'REJECTED']

test('there is a page for each code, and a code for each page', () => {
  assert.ok(codes.length > 40)
  assert.deepEqual([...pages.keys()].sort(), [...codes].sort())
})

// What a page quotes of the TLS of Node.
const codesOfNode = ['SELF_SIGNED_CERT_IN_CHAIN']

for (const code of codes) {
  test(`the page of ${code} says what the table says, and all that a reader needs`, () => {
    const page = pages.get(code) ?? ''
    const { summary, scope } = errorCodes[code]
    assert.ok(page.startsWith(`# ${code}\n\n${summary[0]?.toUpperCase()}${summary.slice(1)}. Scope: ${scope}.\n`), 'title, summary and scope')
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)
    assert.deepEqual(headings, ['What happened', 'What was not affected', 'What to do', 'Example'])
    for (const section of page.split(/^## .*$/m).slice(1)) assert.ok(section.trim().length > 20, 'a section is empty')
    const example = /## Example\n\n```text\n(.*)\n```\n$/s.exec(page)?.[1] ?? ''
    assert.ok(example.startsWith(reasonsOnly.includes(code) ? `${code}: ` : `SluiceError: ${code}: `), example)
    if (!reasonsOnly.includes(code))
      assert.equal(example, `${new SluiceError(code, example.slice(`SluiceError: ${code}: `.length))}`, 'reads like the class prints it, without a credential')
    for (const [named] of page.matchAll(/\b[A-Z]{3,}(?:_[A-Z]+)+\b/g))
      if (!named.startsWith('SLUICE_') && !codesOfNode.includes(named)) assert.ok(named in errorCodes, `names the code ${named}, which does not exist`)
  })
}

test('the index lists each code once, with scope and summary', () => {
  const index = readFileSync(path.join(folder, 'README.md'), 'utf8')
  const rows = [...index.matchAll(/^\| \[([A-Z_]+)\]\(([A-Z_]+)\.md\) \| (\w+) \| (.*) \|$/gm)].map(([, code, link, scope, summary]) => [
    code,
    link,
    scope,
    summary,
  ])
  assert.deepEqual(
    rows,
    codes.map((code) => [code, code, errorCodes[code].scope, errorCodes[code].summary]),
  )
})

test('the type of codes is the table', () => {
  const all: Record<ErrorCode, true> = Object.fromEntries(codes.map((code) => [code, true])) as Record<ErrorCode, true>
  assert.equal(Object.keys(all).length, codes.length)
  // @ts-expect-error a code that is not in the table
  new SluiceError('NO_SUCH_CODE', 'x')
})
