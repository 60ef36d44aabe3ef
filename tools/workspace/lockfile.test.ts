import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mended, missingOptional, platformOf, recordedHosts } from './lockfile.mjs'

const lock = {
  packages: {
    '': { devDependencies: { tool: '1.0.0' } },
    'node_modules/tool': {
      version: '1.0.0',
      dev: true,
      license: 'MIT',
      resolved: 'https://somewhere/tool.tgz',
      optionalDependencies: { '@tool/linux-x64': '1.0.0', '@tool/darwin-arm64': '1.0.0' },
    },
    'node_modules/@tool/linux-x64': { version: '1.0.0', dev: true, optional: true },
    'node_modules/link': { resolved: 'packages/link', link: true },
  },
}

test('finds what npm left out and what it recorded', () => {
  assert.deepEqual(missingOptional(lock), [
    ['node_modules/@tool/darwin-arm64', { version: '1.0.0', cpu: ['arm64'], os: ['darwin'], dev: true, license: 'MIT', optional: true }],
  ])
  assert.deepEqual(recordedHosts(lock), ['node_modules/tool'])
})

test('mends both and leaves the rest', () => {
  const whole = mended(lock)
  assert.deepEqual(missingOptional(whole), [])
  assert.deepEqual(recordedHosts(whole), [])
  assert.deepEqual(Object.keys(whole.packages), [
    '',
    'node_modules/@tool/darwin-arm64',
    'node_modules/@tool/linux-x64',
    'node_modules/link',
    'node_modules/tool',
  ])
  assert.deepEqual(mended(whole), whole)
})

test('reads system, processor and C library from a package name', () => {
  assert.deepEqual(platformOf('@biomejs/cli-linux-x64-musl'), { cpu: ['x64'], os: ['linux'], libc: ['musl'] })
  assert.deepEqual(platformOf('@oxc-parser/binding-linux-arm-gnueabihf'), { cpu: ['arm'], os: ['linux'], libc: ['glibc'] })
  assert.deepEqual(platformOf('@oxc-parser/binding-win32-x64-msvc'), { cpu: ['x64'], os: ['win32'] })
})
