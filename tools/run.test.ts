import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { staleness } from './run.mjs'

const folder = mkdtempSync(join(tmpdir(), 'sluice-run-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const wanted = {
  '': {},
  'packages/core': { version: '0.1.0' },
  'node_modules/tool': { version: '1.0.0' },
  'node_modules/tool-darwin': { version: '1.0.0', optional: true },
}

function write(file: string, packages: object): void {
  writeFileSync(join(folder, file), JSON.stringify({ packages }))
}

test('node_modules is compared with the lockfile by content', () => {
  write('package-lock.json', wanted)
  assert.equal(staleness(folder), 'node_modules is missing')
  mkdirSync(join(folder, 'node_modules'))
  write('node_modules/.package-lock.json', {})
  assert.equal(staleness(folder), 'node_modules/tool is missing')
  write('node_modules/.package-lock.json', { 'node_modules/tool': { version: '0.9.0' } })
  assert.equal(staleness(folder), 'node_modules/tool is 0.9.0, not 1.0.0')
  write('node_modules/.package-lock.json', { 'node_modules/tool': { version: '1.0.0' } })
  assert.match(staleness(folder) ?? '', /Node is missing/)
  mkdirSync(join(folder, 'node_modules/node/bin'), { recursive: true })
  assert.equal(staleness(folder), undefined)
})

test('an unknown task says which there are', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'run.mjs'), 'nothing'], { encoding: 'utf8' })
  assert.equal(status, 2)
  assert.match(stderr, /start\|test\|check/)
})
