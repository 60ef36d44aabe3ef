import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { duration, run } from './process.ts'
import { suiteOf } from './suites.ts'

const root = resolve(import.meta.dirname, '../..')
const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Runs `npm test`'s program over these files; NODE_TEST_CONTEXT would make it think it is a child of this test. */
async function testRun(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-stages-'))
  folders.push(folder)
  for (const [file, body] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), `import { test } from 'node:test'\n${body}\n`)
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  return run(process.execPath, [join(root, 'tools/stages/test.ts')], {
    cwd: folder,
    budgetMs: 60_000,
    env: { NODE_TEST_CONTEXT: undefined, SLUICE_REQUIRE: undefined, CHROMIUM: undefined, NO_COLOR: '1', ...env },
  })
}

const good = "test('good', () => {})"

test('passes: a summary for each suite, and a plain closing line', async () => {
  const { code, output } = await testRun({
    'packages/core/src/a.test.ts': good,
    'packages/embedded/src/a.test.ts': `${good}\ntest('later', { skip: 'not here' }, () => {})`,
  })
  assert.equal(code, 0, output)
  assert.match(output, /^ok {6}core +1 passed, 0 failed, 0 skipped$/m)
  assert.match(output, /^skipped packages\/embedded\/src\/a\.test\.ts: later \(not here\)$/m)
  assert.match(output.trimEnd(), /\n2 passed, 0 failed, 1 skipped$/)
})

test('fails: a failing test, a file that does not load, a file without a test', async () => {
  const { code, output } = await testRun({
    'packages/core/src/bad.test.ts': "test('bad', async (t) => { console.log('a hint'); await t.test('inner', () => { throw new Error('no') }) })",
    'packages/core/src/load.test.ts': "import './gone.ts'",
    'packages/core/src/none.test.ts': '',
  })
  assert.equal(code, 1)
  assert.match(output, /FAILED {2}packages\/core\/src\/bad\.test\.ts:\d+: inner/)
  assert.match(output, /\| a hint/)
  assert.match(output, /none\.test\.ts: holds no test/)
  assert.match(output.trimEnd(), /\n0 passed, 3 failed, 0 skipped$/)
})

test('what the machine lacks is skipped by name, and is a failure where everything is required', async () => {
  const files = { 'packages/core/src/a.test.ts': `${good}\ntest('deep', { skip: 'needs strace' }, () => {})`, 'examples/shop/src/page.browser.test.ts': good }
  const env = { PATH: dirname(process.execPath) }
  const here = await testRun(files, env)
  assert.equal(here.code, 0, here.output)
  assert.match(here.output, /^SKIPPED browser: needs Chromium/m)
  const required = await testRun(files, { ...env, SLUICE_REQUIRE: 'all' })
  assert.equal(required.code, 1)
  assert.match(required.output, /FAILED {2}suite browser: needs Chromium/)
  assert.match(required.output, /FAILED {2}skipped, but everything is required here: packages\/core\/src\/a\.test\.ts: deep/)
  assert.match(required.output.trimEnd(), /\n1 passed, 2 failed, 1 skipped$/)
})

test('no test at all is no pass', async () => {
  const { code } = await testRun({})
  assert.equal(code, 1)
})

test('a command over its budget is killed with its children', async () => {
  const { code, durationMs } = await run('bash', ['-c', 'sleep 30 & wait'], { budgetMs: 300 })
  assert.equal(code, 124)
  assert.ok(durationMs < 5_000)
})

test('every test file belongs to a suite', () => {
  assert.equal(suiteOf('packages/core/src/a.test.ts').name, 'core')
  assert.equal(suiteOf('packages/conformance/test/file.test.ts').name, 'conformance')
  assert.equal(suiteOf('examples/shop/src/page/page.browser.test.ts').name, 'browser')
  assert.equal(suiteOf('packages/conformance/test/redis.redis.test.ts').name, 'redis')
  assert.equal(suiteOf('packages/transports/redis/src/url.test.ts').name, 'transports')
  assert.throws(() => suiteOf('somewhere/a.test.ts'), /no suite/)
})

test('durations read like a person writes them', () => {
  assert.equal(duration(2_140), '2.1 s')
  assert.equal(duration(185_000), '3 min 05 s')
})
