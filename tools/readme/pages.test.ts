import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { runUntilPrinted } from './example.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
after(() => rmSync(folder, { recursive: true, force: true }))

// The `ts` blocks of a page are one program, in their order; its `text` blocks are what that prints. A block marked
// `ts fragment` is for reading only.
function blocks(file: string, language: string): string {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block).join('')
}

const pages = globSync('docs/{tutorial,how-to,explanation}/*.md', { cwd: root })
  .sort()
  .filter((file) => blocks(file, 'ts') !== '')
const programOf = (file: string): string => `${basename(file, '.md')}.mts`
for (const file of pages) writeFileSync(join(folder, programOf(file)), blocks(file, 'ts'))

test('there are pages with programs', () => {
  assert.ok(pages.length >= 6)
})

test('the programs of all pages type-check', () => {
  const options = [
    '--noEmit',
    '--strict',
    '--target',
    'es2024',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--skipLibCheck',
    '--allowImportingTsExtensions',
    '--erasableSyntaxOnly',
  ]
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options, ...pages.map(programOf)], {
    cwd: folder,
    encoding: 'utf8',
  })
  // Errors in the library are another check's business.
  const own = stdout.split('\n').filter((line) => /^[\w-]+\.mts\(/.test(line))
  assert.deepEqual(own, [])
  assert.ok(status === 0 || stdout.includes('.ts('), stdout)
})

for (const file of pages) {
  const expected = blocks(file, 'text')
  if (expected === '') continue
  test(`${file} prints what it says`, async () => {
    const own = join(folder, basename(file, '.md'))
    mkdirSync(own)
    symlinkSync(join(root, 'node_modules'), join(own, 'node_modules'))
    writeFileSync(join(own, 'package.json'), '{ "private": true, "type": "module" }\n')
    writeFileSync(join(own, programOf(file)), blocks(file, 'ts'))
    const { stdout, stderr } = await runUntilPrinted(process.execPath, programOf(file), own, expected, 20_000)
    assert.equal(stdout, expected, stderr)
  })
}
