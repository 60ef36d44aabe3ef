import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

// A few of the runs that `npm run torture` makes by the thousand: with another seed each day they would fail unseen.
test('six crash runs: nothing is lost, out of order, or doubled after its acceptance', { timeout: 180_000 }, () => {
  const torture = fileURLToPath(new URL('./torture.ts', import.meta.url))
  const { status, stdout } = spawnSync(process.execPath, [torture, '--seed', '1', '--runs', '6'], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /6 runs, 0 failed/)
})
