import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { leftSourceNames } from './build.ts'
import { supportedVersions } from './nodes.ts'
import { publishedManifest, stagedFaults } from './pack.ts'
import { builtPath, type Package, publishedPackages } from './packages.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-release-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('packages come after the siblings they depend on', () => {
  const names = publishedPackages().map(({ manifest }) => manifest.name)
  assert.ok(names.indexOf('@sluice/core') < names.indexOf('@sluice/embedded'))
  assert.ok(names.indexOf('@sluice/embedded') < names.indexOf('sluice'))
})

test('a published manifest leads to dist with types, pins its siblings, and says nothing else', () => {
  const core: Package = { folder, manifest: { name: '@sluice/core', version: '1.2.3', exports: { '.': './src/index.ts' } } }
  const item: Package = {
    folder,
    manifest: {
      name: 'sluice',
      version: '1.2.3',
      exports: { '.': './src/index.ts' },
      dependencies: { '@sluice/core': '0.0.1' },
      devDependencies: { zod: '4.0.0' },
    },
  }
  const manifest = publishedManifest(item, [core, item])
  assert.deepEqual(manifest.exports, { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' })
  assert.deepEqual(manifest.dependencies, { '@sluice/core': '1.2.3' })
  assert.equal(JSON.stringify(manifest).includes('/src/'), false)
  assert.equal('devDependencies' in manifest, false)
})

test('every published package of the workspace has such a manifest', () => {
  const all = publishedPackages()
  for (const item of all) {
    const manifest = publishedManifest(item, all)
    assert.equal(JSON.stringify(manifest).includes('/src/'), false, item.manifest.name)
    assert.match(String(manifest.engines && JSON.stringify(manifest.engines)), /22\.22\.3/)
  }
})

test('planted faults of a staged package are found', () => {
  const write = (manifest: object): void => writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  mkdirSync(join(folder, 'dist'))
  writeFileSync(join(folder, 'dist/index.js'), '')
  write({ exports: { '.': './dist/index.js' } })
  assert.deepEqual(stagedFaults(folder), [])
  write({ exports: { '.': './dist/index.js' }, main: './src/index.ts' })
  assert.deepEqual(stagedFaults(folder), ['package.json names a source path'])
  write({ exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } } })
  assert.deepEqual(stagedFaults(folder), ['package.json exports ./dist/index.d.ts, which is not there'])
  write({ exports: { '.': './dist/index.js' } })
  writeFileSync(join(folder, 'dist/a.test.js'), '')
  assert.deepEqual(stagedFaults(folder), ['it holds tests'])
})

test('an export that is no source file cannot be built', () => {
  assert.equal(builtPath('./src/a/index.ts', '.d.ts'), './dist/a/index.d.ts')
  assert.throws(() => builtPath('./lib/a.js', '.js'))
})

test('a source file named in compiled code is found, in comments it is not', () => {
  assert.deepEqual(leftSourceNames("new Worker(new URL('./worker.ts', import.meta.url))"), ["new Worker(new URL('./worker.ts', import.meta.url))"])
  assert.deepEqual(leftSourceNames("const file = url.endsWith('.ts') ? './worker.ts' : './worker.js'"), [])
  assert.deepEqual(leftSourceNames("// see './worker.ts'\n * './worker.ts'"), [])
})

test('the trial runs on the lowest version of each line and on the workspace own', () => {
  const versions = supportedVersions()
  assert.deepEqual(versions.slice(0, 3), ['22.22.3', '24.15.0', '26.0.0'])
  assert.equal(versions.length, 4)
})
