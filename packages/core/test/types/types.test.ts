/**
 * The files of `inference/` compile, those of `misuse/` do not compile anywhere but where they say so; both under
 * TypeScript 7, which checks this repository, and under 6, which many users have. And the test itself is tested: a
 * planted mistake is found. The examples of docs/reference/contracts.md compile, too, as they stand there.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { createCheck } from './checker.ts'

const folder = import.meta.dirname
const root = path.resolve(folder, '../../../..')
const files = (['inference', 'misuse'] as const).flatMap((kind) =>
  readdirSync(path.join(folder, kind)).map((name) => ({ kind, name: `${kind}/${name}`, text: readFileSync(path.join(folder, kind, name), 'utf8') })),
)

/** One TypeScript 6 for all tests of this file: it parses the libraries once. */
const check = createCheck()

/** Runs TypeScript 7 over copies of the files, so that mistakes can be planted in them; returns its output. */
function compile(change: (name: string, text: string) => string = (_, text) => text): string {
  const temporary = mkdtempSync(path.join(tmpdir(), 'sluice-types-'))
  try {
    cpSync(folder, temporary, { recursive: true })
    symlinkSync(path.join(root, 'node_modules'), path.join(temporary, 'node_modules'))
    for (const { name, text } of files)
      writeFileSync(path.join(temporary, name), change(name, text).replaceAll("'../../../src/", `'${root}/packages/core/src/`))
    const config = {
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: { typeRoots: [path.join(root, 'node_modules/@types')], rewriteRelativeImportExtensions: false },
      include: ['inference', 'misuse'],
      exclude: [],
    }
    writeFileSync(path.join(temporary, 'tsconfig.json'), JSON.stringify(config))
    writeFileSync(path.join(temporary, 'package.json'), '{"type":"module"}')
    const { stdout, stderr, error } = spawnSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', '-p', temporary], {
      encoding: 'utf8',
    })
    if (error !== undefined) throw error
    return stdout + stderr
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

test('inference is complete and misuse does not compile, under TypeScript 7', () => {
  assert.ok(files.length >= 2 && files.every((file) => file.text.length > 500))
  assert.equal(compile(), '')
})

test('a planted mistake is found: a wrong expectation, and a line that compiles although it is marked as misuse', () => {
  const output = compile((name, text) =>
    name === 'inference/contracts.ts'
      ? `${text}\nsame<ContractName<typeof zodEvent>, string>()\n`
      : name === 'misuse/contracts.ts'
        ? `${text}\n// @ts-expect-error there is nothing wrong with it\nevent('a.b', order)\n`
        : text,
  )
  assert.match(output, /inference\/contracts\.ts\(\d+,\d+\): error TS2554/)
  assert.match(output, /misuse\/contracts\.ts\(\d+,\d+\): error TS2578/)
  assert.equal(output.match(/error TS/g)?.length, 2, output)
})

test('the same under TypeScript 6', () => {
  const here = (text: string): string => text.replaceAll("'../../../src/", "'../../src/").replaceAll("'../equal.ts'", "'./equal.ts'")
  for (const { name, text } of files) assert.deepEqual(check(here(text)).errors, [], name)
  // Each marked line is a mistake of its own: with the marks gone there is at least one error for each of them.
  for (const { name, text } of files.filter((file) => file.kind === 'misuse')) {
    const marks = text.split('\n').filter((line) => line.includes('@ts-expect-error') && !line.startsWith('/**')).length
    const errors = new Set(check(here(text.replaceAll('@ts-expect-error', ''))).errors.map((error) => error.split(':')[0]))
    assert.ok(errors.size >= marks, `${name}: ${marks} marks, ${errors.size} lines with errors`)
  }
})

test('the examples of the contracts page compile', () => {
  const page = readFileSync(path.join(root, 'docs/reference/contracts.md'), 'utf8')
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  assert.ok(blocks.length >= 6)
  const code = blocks.join('\n').replaceAll("from 'sluice'", "from '../../src/index.ts'")
  const used = 'export type Used = [In, Out]\n'
  assert.deepEqual(check(code + used).errors, [])
  assert.equal(check(code.replace('@ts-expect-error', '') + used).errors.length, 1)
})
