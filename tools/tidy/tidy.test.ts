import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { rules } from './rules/index.ts'
import { openTree, type Rule } from './tree.ts'

const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

// A tree that breaks no rule.
const good: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "workspace", "devDependencies": { "zod": "4.6.7" } }',
  'README.md': '# Title\n\n## A part\n\n[errors](docs/reference/errors/GONE.md), [part](#a-part), [outside](https://example.org)\n',
  'docs/internals/dependencies.md': '| package | where | why | kept by | licence |\n| --- | --- | --- | --- | --- |\n| zod | root | tests | somebody | MIT |\n',
  'docs/reference/errors/GONE.md': '# GONE\n',
  'packages/core/package.json': '{ "name": "@sluice/core", "exports": { ".": "./src/index.ts" } }',
  'packages/core/src/index.ts': "export { type Named, made } from './clock/made.ts'\n",
  'packages/core/src/errors/codes.ts': "export const errorCodes = {\n  GONE: { summary: 'gone' },\n}\n",
  'packages/core/src/clock/made.ts':
    "/** A name. */\nexport interface Named {\n  readonly name: string\n}\n\n/** Makes one. */\nexport const made = (): Named => ({ name: Date.now() > 0 ? 'GONE' : '' })\n",
  'packages/core/src/message/message.ts': 'export const size = (text: string): number => text.length\n',
  'packages/sluice/package.json': '{ "name": "sluice", "exports": { ".": "./src/index.ts" }, "dependencies": { "@sluice/core": "0.1.0" } }',
  'packages/sluice/src/index.ts': "export { type Named, made } from '../../core/src/index.ts'\n",
}

function check(rule: Rule, changes: Readonly<Record<string, string>>): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-tidy-'))
  folders.push(folder)
  for (const [file, text] of Object.entries({ ...good, ...changes })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const { looked, findings } = rule.check(openTree(folder))
  assert.ok(looked > 0, `${rule.name} looked at nothing`)
  return findings.map(({ file, line, message }) => `${file}${line === undefined ? '' : `:${line}`}: ${message}`)
}

/** For each rule, changes that break it and what it must say. */
const planted: Readonly<Record<string, readonly (readonly [Readonly<Record<string, string>>, RegExp])[]>> = {
  'documented exports': [
    [
      {
        'packages/core/src/clock/made.ts':
          'export interface Named {\n  readonly name: string\n}\n\n/** Makes one. */\nexport const made = (): Named => ({ name: "" })\n',
      },
      /made\.ts:1: Named is public and has no comment/,
    ],
  ],
  'no any in public types': [
    [
      { 'packages/core/src/clock/made.ts': '/** x */\nexport interface Named {\n  readonly name: any\n}\n/** x */\nexport const made = 1\n' },
      /made\.ts:3: any in the public type of Named/,
    ],
    [{ 'packages/core/src/clock/made.ts': '/** x */\nexport type Named = 1\n/** x */\nexport const made = JSON.parse("1")\n' }, /made is of type any/],
  ],
  'sluice exports what core does': [[{ 'packages/sluice/src/index.ts': "export { made } from '../../core/src/index.ts'\n" }, /Named of .* is missing/]],
  'error codes and pages': [
    [{ 'docs/reference/errors/OTHER.md': '# OTHER\n' }, /there is no code OTHER/],
    [{ 'packages/core/src/errors/codes.ts': "export const errorCodes = {\n  GONE: { summary: '' },\n  LATE: { summary: '' },\n}\n" }, /LATE has no page/],
    [
      { 'packages/core/src/errors/codes.ts': "export const errorCodes = {\n  GONE: { summary: '' },\n  LATE: { summary: '' },\n}\n" },
      /nothing in the library uses LATE/,
    ],
  ],
  'dependency reasons': [
    [{ 'package.json': '{ "name": "workspace", "devDependencies": { "zod": "4.6.7", "left": "1.0.0" } }' }, /left \(package\.json\) has no line/],
    [{ 'package.json': '{ "name": "workspace", "devDependencies": { "zod": "^4.6.7" } }' }, /zod is "\^4\.6\.7", not one exact version/],
    [{ 'package.json': '{ "name": "workspace" , "devDependencies": { "left": "1.0.0" } }' }, /zod is explained, and no package\.json has it/],
    [{ 'docs/internals/dependencies.md': '| zod | root | | somebody | MIT |\n' }, /the line of zod wants/],
  ],
  'no runtime dependency': [[{ 'packages/sluice/package.json': '{ "name": "sluice", "exports": {}, "dependencies": { "zod": "4.6.7" } }' }, /depends on zod/]],
  'time and chance are injected': [
    [{ 'packages/core/src/message/message.ts': 'export const now = (): number => 1 + Date.now()\n' }, /message\.ts:1: Date\.now\(\)/],
    [{ 'packages/core/src/message/message.ts': 'export const now = (): Date => new Date()\n' }, /new Date\(\)/],
    [{ 'packages/core/src/message/message.ts': 'setTimeout(() => {}, 1)\n' }, /setTimeout\(\)/],
  ],
  'no machine path or registry host': [
    [{ 'docs/a.md': `in ${homedir()}/x\n` }, /docs\/a\.md:1: names /],
    [{ 'docs/a.md': `one\n${['https:/', 'registry.example.org'].join('/')}\n` }, /docs\/a\.md:2: names /],
  ],
  'nothing unfinished': [
    [{ 'packages/core/src/message/message.ts': `// ${'TO'}${'DO'} later\n` }, /message\.ts:1/],
    [{ 'packages/core/src/message/message.test.ts': `test.${'only'}('x')\n` }, /message\.test\.ts:1/],
  ],
  'links between pages': [
    [{ 'docs/a.md': '[x](../gone.md)\n' }, /docs\/a\.md:1: \.\.\/gone\.md leads nowhere/],
    [{ 'docs/a.md': '[x](../README.md#no-part)\n' }, /no such heading/],
    [{ 'docs/internals/a.md': 'in `packages/core/src/gone.ts`\n' }, /`packages\/core\/src\/gone\.ts` is not there/],
  ],
}

for (const rule of rules) {
  test(`${rule.name}: a good tree passes`, () => {
    assert.deepEqual(check(rule, {}), [])
  })
  for (const [index, [changes, expected]] of (planted[rule.name] ?? []).entries()) {
    test(`${rule.name}: planted violation ${index + 1} is found`, () => {
      assert.match(check(rule, changes).join('\n'), expected)
    })
  }
}

test('every rule but the report has a planted violation', () => {
  assert.deepEqual(
    Object.keys(planted),
    rules.map(({ name }) => name).filter((name) => !name.endsWith('(a report)')),
  )
})
