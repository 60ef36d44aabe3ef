import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { asCommonJs, firstExample, runUntilPrinted } from './example.ts'

const root = resolve(import.meta.dirname, '../..')
const readmes = ['README.md', 'README.zh-CN.md']
const folder = mkdtempSync(join(tmpdir(), 'sluice-readme-'))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
after(() => rmSync(folder, { recursive: true, force: true }))

for (const file of readmes) {
  const { code, output } = firstExample(join(root, file))
  test(`${file}: the first message takes at most 9 lines`, () => {
    assert.ok(code.trimEnd().split('\n').length <= 9)
  })
  test(`${file}: the first program prints what is written there`, async () => {
    rmSync(join(folder, '.sluice'), { recursive: true, force: true })
    writeFileSync(join(folder, 'first.mts'), code)
    const { stdout, stderr, inTime } = await runUntilPrinted(process.execPath, 'first.mts', folder, output, 20_000)
    assert.equal(stdout, output, stderr)
    assert.ok(inTime, 'it took more than 20 s')
  })
}

test('both READMEs show the same program', () => {
  assert.deepEqual(firstExample(join(root, 'README.zh-CN.md')), firstExample(join(root, 'README.md')))
})

test('the CommonJS form requires what the program imports', () => {
  const commonJs = asCommonJs("import { a, b } from 'x' // why\nawait a(b)\n")
  assert.equal(commonJs, "const { a, b } = require('x')\nasync function main() {\nawait a(b)\n\n}\nmain()\n")
})
