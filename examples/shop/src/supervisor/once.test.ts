import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { OnceResult } from './once.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

function shop(context: TestContext, ...options: string[]): Promise<{ code: number; stdout: string; stderr: string; left: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'shop-once-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...options], { cwd: folder, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const left = readdirSync(folder).includes('.sluice') ? readdirSync(join(folder, '.sluice')) : []
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr, left })
    })
  })
}

function resultOf(stdout: string): OnceResult {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as OnceResult
}

test('300 orders over six processes: every book balances, and nothing is left behind', async (context) => {
  const { code, stdout, stderr, left } = await shop(context, '--orders', '300', '--once', '--json')
  const result = resultOf(stdout)
  assert.deepEqual(result.differences, [], stderr)
  assert.equal(code, 0, stderr)
  assert.equal(result.balanced, true)
  assert.equal(result.ordersIn, 300)
  assert.deepEqual([result.doubledEffects, result.lost, result.unexplained, result.outOfOrder, result.deadLetters], [0, 0, 0, 0, 0])
  for (const [account, balance] of Object.entries(result.reconciliation)) assert.equal(balance.balanced, true, account)
  assert.deepEqual(result.priceLists, { published: 2, heard: 12, instances: 6 })
  assert.ok(result.quotations.answered > 0)
  assert.deepEqual(left, [])
})

test('300 orders while services are killed with kill -9: the books balance all the same', async (context) => {
  const { code, stdout, stderr } = await shop(context, '--orders', '300', '--once', '--json', '--chaos', '--seed', '42')
  const result = resultOf(stdout)
  assert.deepEqual(result.differences, [], stderr)
  assert.equal(code, 0, stderr)
  assert.ok(result.kills >= 6)
  assert.deepEqual([result.doubledEffects, result.lost, result.unexplained, result.outOfOrder, result.deadLetters], [0, 0, 0, 0, 0])
})

test('a wrong option is named, with the usage, and exit code 2', async (context) => {
  const { code, stderr } = await shop(context, '--orders', 'many')
  assert.equal(code, 2)
  assert.match(stderr, /--orders is a whole number from 1 to 25900, not "many"/)
  assert.match(stderr, /npm start -- --compare/)
  assert.equal((await shop(context, '--chaos')).code, 2)
})

test('Ctrl-C on the page drains, says what it drained, and audits the books', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-page-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, '--port', '0', '--pace', '60', '--lang', 'en'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  context.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => {
    // Some orders are on their way when it is told to end.
    if (!said.includes('The shop is open') && `${said}${text}`.includes('The shop is open')) setTimeout(() => child.kill('SIGINT'), 2_000)
    said += text
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  assert.equal(code, 0, said)
  assert.match(said, /Closing the door/)
  assert.match(said, /payment: finished \d+ while stopping, gave back \d+, left \d+ unsent/)
  assert.match(said, /Drained: [1-9]\d* orders accepted, 0 still open, 0 messages waiting\./)
  assert.match(said, /The books balance: [1-9]\d* orders/)
})
