import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../../src/cli/run.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const ours = fileURLToPath(new URL('./transports.fixture.ts', import.meta.url))

interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}

function command(...args: readonly string[]): Promise<Ran> {
  // The cases find nothing of this test's own runner in their environment.
  const { NODE_TEST_CONTEXT: _, SLUICE_CONFORMANCE_RESULTS: __, ...env } = process.env
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env: { ...env, ...ownTemp } }, (error, out, err) =>
      resolve({ exit: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

const temp = mkdtempSync(join(tmpdir(), 'sluice-conformance-command-'))
const ownTemp = { TMPDIR: temp }
process.on('exit', () => rmSync(temp, { recursive: true, force: true }))

test('a sound transport: each case as it ends, the sum, exit 0, nothing left behind', async () => {
  const { exit, out, err } = await command('--transport', ours, '--export', 'sound', '--only', 'settlement: ')
  assert.equal(exit, 0, out + err)
  assert.match(out, /^memory .*, Node \d/)
  assert.match(out, /^ok {7}settlement: accept: never again/m)
  assert.match(out, /\n10 passed, 0 cannot \(refusal proven\), 0 left out, 0 failed\n$/)
  assert.deepEqual(readdirSync(temp), [])
})

test('what the facts rule out is told apart: proven to be refused, or left out, with the reason; --json holds all of it', async () => {
  const { exit, out } = await command('--transport', ours, '--export', 'sound', '--only', 'transaction', '--json')
  assert.equal(exit, 0)
  const report = JSON.parse(out)
  assert.equal(report.version, 1)
  assert.equal(report.facts.confirm, 'process')
  assert.deepEqual(report.counts, { pass: 0, cannot: 1, skipped: 0, fail: 0 })
  assert.deepEqual(report.cases, [
    {
      subject: 'sending',
      name: 'inside an application transaction: committed means sent, rolled back means never there',
      outcome: 'cannot',
      reason: 'it joins no transaction',
    },
  ])
  const processes = await command('--transport', ours, '--export', 'sound', '--only', 'every process killed', '--json')
  assert.equal(JSON.parse(processes.out).cases[0].outcome, 'skipped')
  assert.equal(JSON.parse(processes.out).cases[0].reason, 'it lives in one process')
})

test('a transport that loses an attribute: exit 1, the case and what it found', async () => {
  const { exit, out } = await command('--transport', ours, '--export', 'losing', '--only', 'every attribute of it', '--json')
  assert.equal(exit, 1, out)
  const { cases } = JSON.parse(out)
  assert.equal(cases[0].outcome, 'fail')
  assert.match(cases[0].error, /AssertionError/)
})

test('a transport that leaves a timer behind fails, and the command ends all the same', async () => {
  const { exit, out } = await command('--transport', ours, '--export', 'lingering', '--only', 'close may be called twice')
  assert.equal(exit, 1, out)
  assert.match(out, /^ok {7}sending: after close nothing is accepted/m)
  assert.match(out, /^FAILED {3}life: after close no timer, .*\n.*kept alive by \d × Timeout/m)
})

test('a place for each case is in the URL', async () => {
  const { exit, out } = await command('--transport', ours, '--export', 'sound', '--url', 'memory:{place}', '--only', 'fan-out: every group', '--json')
  assert.equal(exit, 0, out)
  assert.equal(JSON.parse(out).counts.pass, 1)
})

test('wrong arguments and what cannot be opened are said plainly', async () => {
  const refusals: readonly (readonly [exit: number, text: RegExp, ...args: readonly string[]])[] = [
    [2, /--transport is missing.*--help/],
    [2, /Unknown option '--transports'/, '--transports', ours],
    [2, /--url must hold \{place\} or \{folder\}/, '--transport', ours, '--url', 'redis://localhost'],
    [2, /--options must be a JSON object/, '--transport', ours, '--options', 'lease'],
    [2, /--concurrency must be/, '--transport', ours, '--concurrency', 'many'],
    [2, /there is no package @acme\/none here/, '--transport', '@acme/none'],
    [2, /cannot be loaded: Cannot find module/, '--transport', './none.ts'],
    [2, /its export "transport" is no transport factory.*It exports: lingering, losing, refusing, sound/, '--transport', ours],
    [3, /TRANSPORT_FAILED: the password is wrong\. Correct it$/m, '--transport', ours, '--export', 'refusing'],
  ]
  for (const [exit, text, ...args] of refusals) {
    const lines: string[] = []
    const code = await runCommand(args, { out() {}, err: (line) => void lines.push(line) })
    const err = lines.join('\n')
    assert.match(err, text, args.join(' '))
    assert.equal(code, exit, args.join(' '))
    assert.doesNotMatch(err, /\n\s+at /, 'no stack for a person who mistyped')
  }
  const none = await command('--transport', ours, '--export', 'sound', '--only', 'nothing like it')
  assert.deepEqual([none.exit, none.err], [2, 'no case has "nothing like it" in its name\n'])
  const { exit, out } = await command('--help')
  assert.equal(exit, 0)
  assert.match(out, /^Usage: sluice-conformance --transport/)
  assert.deepEqual(readdirSync(temp), [])
})
