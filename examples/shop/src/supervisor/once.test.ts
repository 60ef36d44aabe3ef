import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { main, resultOf, shop } from './once.fixture.ts'

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

test("a bus that is not there, or is somebody else's: said in one line without its password, and nothing is left behind", async (context) => {
  const away = await shop(context, '--once', '--orders', '5', '--bus', 'redis://app:c4n4ry@127.0.0.1:1')
  assert.equal(away.code, 1)
  assert.match(away.stderr, /TRANSPORT_FAILED: cannot connect to redis:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/)
  assert.doesNotMatch(away.stderr + away.stdout, /c4n4ry|\n\s+at /)
  assert.deepEqual(away.left, [])
})

test('Ctrl-C on the page drains, says what it drained, and audits the books; SLUICE_URL is in no command line', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-page-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, '--port', '0', '--pace', '60', '--lang', 'en'], {
    cwd: folder,
    env: { ...process.env, SLUICE_URL: `file:${join(folder, 'c4n4ry.db')}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  context.after(() => child.kill('SIGKILL'))
  let said = ''
  let arguments_ = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => {
    // Some orders are on their way when it is told to end.
    if (!said.includes('The shop is open') && `${said}${text}`.includes('The shop is open'))
      setTimeout(() => {
        arguments_ = argumentsOfChildren(child.pid)
        child.kill('SIGINT')
      }, 2_000)
    said += text
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  assert.equal(code, 0, said)
  assert.ok(existsSync(join(folder, 'c4n4ry.db')), 'the bus is where SLUICE_URL says')
  assert.doesNotMatch(arguments_ + said, /c4n4ry/)
  if (process.platform === 'linux') assert.match(arguments_, /"service":"payment"/)
  assert.match(said, /Closing the door/)
  assert.match(said, /payment: finished \d+ while stopping, gave back \d+, left \d+ unsent/)
  assert.match(said, /Drained: [1-9]\d* orders accepted, 0 still open, 0 messages waiting\./)
  assert.match(said, /The books balance: [1-9]\d* orders/)
})

// What everybody on this machine can read of the six processes.
function argumentsOfChildren(pid: number | undefined): string {
  const list = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(list)) return ''
  const children = readFileSync(list, 'utf8').trim().split(' ')
  return children.map((each) => readFileSync(`/proc/${each}/cmdline`, 'utf8')).join('\n')
}
