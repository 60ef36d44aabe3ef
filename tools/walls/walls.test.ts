import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, test } from 'node:test'
import './typescript-6.mjs'
import { coreLayers, meetByName, rules } from './rules.ts'

// Loaded after the hook: an import of this file would be resolved before it.
const { breachesOf, readWalls } = await import('./walls.ts')
const root = resolve(import.meta.dirname, '../..')
const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A small workspace that breaks nothing, with further files. */
function workspace(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-walls-'))
  folders.push(folder)
  const all: Record<string, string> = {
    'packages/core/package.json':
      '{ "name": "@sluice/core", "type": "module", "exports": { ".": "./src/index.ts", "./transport": "./src/transport/index.ts" } }',
    'packages/core/src/index.ts': "export { code } from './errors/index.ts'\n",
    'packages/core/src/errors/index.ts': "import 'node:util'\nexport const code = 1\n",
    'packages/core/src/transport/index.ts': "import { code } from '../errors/index.ts'\nexport const spi = code\n",
    'packages/embedded/package.json':
      '{ "name": "@sluice/embedded", "type": "module", "exports": { ".": "./src/index.ts" }, "dependencies": { "@sluice/core": "0.1.0" } }',
    'packages/embedded/src/index.ts': "import { spi } from '@sluice/core/transport'\nexport const transport = spi\n",
    'packages/sluice/package.json':
      '{ "name": "sluice", "type": "module", "exports": { ".": "./src/index.ts" }, "dependencies": { "@sluice/core": "0.1.0", "@sluice/embedded": "0.1.0" } }',
    'packages/sluice/src/index.ts': "export { code } from '@sluice/core'\n",
    'packages/sluice/src/transports.ts': "export const load = () => import('@sluice/embedded')\n",
    ...files,
  }
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  mkdirSync(join(folder, 'node_modules/@sluice'), { recursive: true })
  for (const name of ['core', 'embedded']) symlinkSync(join(folder, 'packages', name), join(folder, 'node_modules/@sluice', name))
  return folder
}

async function judge(folder: string): Promise<readonly string[]> {
  const graph = await readWalls(folder)
  return [...new Set(breachesOf(graph).map(({ rule }) => rule))]
}

/** A violation for each rule. */
const planted: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ...Object.fromEntries(
    coreLayers.slice(0, -1).map((layer, index) => {
      const above = coreLayers[index + 1] ?? ''
      return [
        `layer-${layer}`,
        {
          [`packages/core/src/${layer}/low.ts`]: `import type { High } from '../${above}/high.ts'\nexport type Low = High\n`,
          [`packages/core/src/${above}/high.ts`]: 'export type High = 1\n',
        },
      ]
    }),
  ),
  'layer-asyncapi': {
    'packages/core/src/asyncapi/a.ts': "import '../testing/t.ts'\nexport const a = 1\n",
    'packages/core/src/testing/t.ts': 'export const t = 1\n',
  },
  'no-cycle': {
    'packages/core/src/message/a.ts': "import type { B } from './b.ts'\nexport type A = B\n",
    'packages/core/src/message/b.ts': "import type { A } from './a.ts'\nexport type B = A | 1\n",
  },
  resolvable: { 'packages/core/src/message/a.ts': "import './gone.ts'\n" },
  'core-stands-alone': { 'packages/core/src/message/a.ts': "import '@sluice/embedded'\n" },
  'transport-sees-the-spi-only': { 'packages/transports/kafka/src/index.ts': "import '@sluice/core'\n" },
  'transports-do-not-meet': { 'packages/transports/kafka/src/index.ts': "import '@sluice/embedded'\n" },
  'engine-has-no-dependency': {
    'packages/embedded/src/a.ts': "import 'left'\n",
    'node_modules/left/package.json': '{ "name": "left", "main": "i.js" }',
    'node_modules/left/i.js': '',
  },
  'nobody-imports-a-transport': { 'packages/sluice/src/connect.ts': "import '@sluice/embedded'\n" },
  'lanes-do-no-io': { 'packages/core/src/endpoint/lane/lane.ts': "import 'node:fs'\n" },
  'library-does-not-import-tests': { 'packages/core/src/message/a.ts': "import './b.test.ts'\n", 'packages/core/src/message/b.test.ts': 'export {}\n' },
  'core-index-is-for-users': { 'packages/core/src/message/a.ts': "import '../index.ts'\n" },
  [meetByName.name]: { 'packages/sluice/src/a.ts': "import '../../core/src/errors/index.ts'\n" },
}

test('a tree that keeps the walls passes', async () => {
  assert.deepEqual(await judge(workspace({})), [])
})

test('every wall has a planted violation', () => {
  assert.deepEqual(Object.keys(planted).sort(), [...rules.map(({ name }) => name), meetByName.name].sort())
})

for (const [rule, files] of Object.entries(planted)) {
  test(`the planted violation of ${rule} is found`, async () => {
    const broken = await judge(workspace(files))
    assert.ok(broken.includes(rule), `found only: ${broken.join(', ')}`)
  })
}

test('nothing read is no pass: an empty tree', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-walls-'))
  folders.push(folder)
  mkdirSync(join(folder, 'packages'))
  await assert.rejects(readWalls(folder), /no TypeScript module/)
})

function program(...hooks: readonly string[]): ReturnType<typeof spawnSync> {
  const folder = workspace(planted['lanes-do-no-io'] ?? {})
  return spawnSync(process.execPath, [...hooks, join(root, 'tools/walls/walls.ts'), '--root', folder], { cwd: root, encoding: 'utf8' })
}

test('the program fails on a violation, and names it', () => {
  const { status, stdout } = program('--import', './tools/walls/typescript-6.mjs')
  assert.equal(status, 1)
  assert.match(String(stdout), /^lanes-do-no-io: packages\/core\/src\/endpoint\/lane\/lane\.ts → /)
})

test('nothing read is no pass: TypeScript 7, which dependency-cruiser cannot use', () => {
  const { status, stderr } = program()
  assert.equal(status, 1)
  assert.match(String(stderr), /this is no pass/)
})
