import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findRoot, readSettings } from './settings.ts'

function folder(files: Record<string, string>): { root: string; remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'sluice-settings-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) }
}

test('the default URL is a file at the root of the workspace, whatever the folder', () => {
  const { root, remove } = folder({
    'package.json': '{"workspaces":["services/*"]}',
    'services/order/package.json': '{"name":"@shop/order"}',
    'services/order/src/x': '',
  })
  try {
    const settings = readSettings({}, { env: {}, folder: join(root, 'services/order/src') })
    assert.equal(fileURLToPath(settings.url), join(root, '.sluice', 'bus.db'))
    assert.equal(settings.service, 'shop.order')
    assert.equal(settings.urlFrom, 'default')
  } finally {
    remove()
  }
})

test('the root is the repository where there is no workspace, then the package, then the folder', () => {
  const { root, remove } = folder({ 'a/.git': '', 'a/b/package.json': '{}', 'a/b/c/x': '', 'p/pnpm-workspace.yaml': '', 'p/q/.git': '', 'p/q/x': '' })
  try {
    assert.equal(findRoot(join(root, 'a/b/c')), join(root, 'a'))
    assert.equal(findRoot(join(root, 'p')), join(root, 'p'))
  } finally {
    remove()
  }
})

test('option > environment > file > default', () => {
  const { root, remove } = folder({ '.git': '', 'sluice.json': '{"service":"from-file","url":"file:/f","routes":{"a":"file:/g"}}' })
  try {
    const all = { SLUICE_SERVICE: 'from-env', SLUICE_URL: 'memory:env', SLUICE_ROUTES: 'a=memory:a,b.**=memory:b' }
    assert.deepEqual(readSettings({ service: 'from-option', url: 'memory:option', routes: {} }, { env: all, folder: root }), {
      service: 'from-option',
      url: 'memory:option',
      urlFrom: 'option',
      routes: {},
    })
    assert.deepEqual(readSettings({}, { env: all, folder: root }), {
      service: 'from-env',
      url: 'memory:env',
      urlFrom: 'environment',
      routes: { a: 'memory:a', 'b.**': 'memory:b' },
    })
    assert.deepEqual(readSettings({}, { env: {}, folder: root }), { service: 'from-file', url: 'file:/f', urlFrom: 'file', routes: { a: 'file:/g' } })
  } finally {
    remove()
  }
})

test('a wrong setting is named', () => {
  const { root, remove } = folder({ '.git': '', 'sluice.json': '{"uri":"file:/f"}' })
  try {
    assert.throws(() => readSettings({}, { env: {}, folder: root }), { code: 'INVALID_OPTION', message: /"uri"/ })
    assert.throws(() => readSettings({ service: 'a', url: 'no url' }, { env: {}, folder: join(root, 'x') }), { code: 'INVALID_OPTION' })
  } finally {
    remove()
  }
})
