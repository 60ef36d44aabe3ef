import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect, event, typed } from '../index.ts'
import { chineseFindings } from './finding-texts.ts'
import { runCommand } from './run.ts'
import { texts } from './texts.ts'

const Placed = event('shop.order.placed', typed<{ n: number }>())

async function sluice(...argv: readonly string[]): Promise<{ readonly exit: number; readonly out: string; readonly err: string }> {
  const outLines: string[] = []
  const errLines: string[] = []
  const exit = await runCommand(argv, { out: (line) => void outLines.push(line), err: (line) => void errLines.push(line) }, {})
  return { exit, out: outLines.join('\n'), err: errLines.join('\n') }
}

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'bus.db')
}

test('a bus in use is checked and backed up, but not compacted; afterwards it is', async (t) => {
  const path = place(t)
  const bus = await connect({ service: 'order', url: `file:${path}`, logger: false })
  bus.on(Placed, () => {})
  await bus.start()
  await bus.publishMany(
    Placed,
    Array.from({ length: 500 }, (_, n) => ({ data: { n } })),
  )
  const checked = await sluice('check', path, '--json')
  assert.equal(checked.exit, 0, checked.out)
  assert.equal(JSON.parse(checked.out).messages, 500)
  const to = `${path}.backup`
  const backedUp = await sluice('backup', path, to)
  assert.equal(backedUp.exit, 0, backedUp.err)
  assert.equal(statSync(to).mode & 0o777, 0o600)
  const again = await sluice('backup', path, to)
  assert.equal(again.exit, 2)
  const used = await sluice('compact', path)
  assert.equal(used.exit, 1)
  assert.match(used.out, new RegExp(`order, pid ${process.pid}`))
  await bus.publish(Placed, { n: 501 })
  await bus.stop()
  const compacted = await sluice('compact', path, '--json')
  assert.equal(JSON.parse(compacted.out).compacted, true, compacted.out)
  assert.equal((await sluice('check', path)).exit, 0)
  const restored = await connect({ service: 'late', url: `file:${to}`, logger: false })
  let handled = 0
  restored.on(Placed, () => void handled++)
  await restored.start()
  const endMs = performance.now() + 10_000
  while (handled < 500 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10))
  await restored.stop()
  assert.equal(handled, 500)
})

test('what is no bus file, is not there, or is called in a wrong way has an exit code and an answer', async (t) => {
  const path = place(t)
  assert.equal((await sluice('check', path)).exit, 3)
  writeFileSync(path, 'text '.repeat(1000))
  const text = await sluice('check', path)
  assert.equal(text.exit, 3)
  assert.match(text.err, /STORE_NOT_A_BUS/)
  assert.equal((await sluice('check')).exit, 2)
  assert.equal((await sluice('chekc', path)).exit, 2)
  assert.equal((await sluice('check', path, '--wrong')).exit, 2)
  assert.equal((await sluice('check', 'memory:')).exit, 3)
  assert.equal((await sluice('--help')).exit, 0)
})

test('findings are told in Chinese, too, with the figures that the engine found', async (t) => {
  const path = place(t)
  const bus = await connect({ service: 'order', url: `file:${path}`, logger: false })
  await bus.publish(Placed, { n: 1 })
  await bus.stop()
  const db = new DatabaseSync(path)
  db.exec('UPDATE channel SET kept_bytes = 7')
  db.close()
  const { exit, out } = await sluice('check', path, '--lang', 'zh')
  assert.equal(exit, 1)
  assert.match(out, /^error CHANNEL: 频道的记录与其内容不符（counts 7 bytes and keeps \d+）\n {2}位置: shop\.order\n {2}影响: .+\n {2}处理: .+$/m)
})

test('each code of a finding that the engine uses has its Chinese text, and no other', () => {
  const folder = fileURLToPath(new URL('../../../embedded/src/maintenance/', import.meta.url))
  const sources = readdirSync(folder)
    .filter((name) => !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const used = new Set([...sources.matchAll(/findings\.(?:error|note)\(\s*'([A-Z_]+)'/g)].map(([, code]) => code))
  assert.ok(used.size > 20)
  assert.deepEqual([...used].sort(), Object.keys(chineseFindings).sort())
})

test('both languages have the same texts', () => {
  assert.deepEqual(Object.keys(texts.zh), Object.keys(texts.en))
  for (const key of Object.keys(texts.en) as (keyof typeof texts.en)[])
    assert.deepEqual(texts.zh[key].match(/\{\d\}/g)?.sort(), texts.en[key].match(/\{\d\}/g)?.sort(), key)
})
