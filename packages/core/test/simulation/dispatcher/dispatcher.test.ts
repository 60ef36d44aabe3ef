import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// The real group runner with its dispatcher, time-outs and batches: order, completeness, bounded attempts, no overlap, no
// second settlement, pauses kept, no stall, under deaths, freezes, hand-overs, lost leases, failing calls and clock jumps.
// In processes of their own: the test runner's hooks on promises make it ten times as slow.

const replay = fileURLToPath(new URL('replay.ts', import.meta.url))
const seeds = 1_200

async function run(env: Readonly<Record<string, string>>): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, [replay], { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 })).stdout
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    throw new Error(`${output.slice(-2_000)}\nreplay: SEED=<seed> node packages/core/test/simulation/dispatcher/replay.ts`, { cause: error })
  }
}

test(`the dispatcher keeps its promises: seeds 0 to ${seeds - 1}`, async () => {
  const output = await run({ SEEDS: String(seeds) })
  const starts = Number(/(\d+) handler starts/.exec(output)?.[1])
  assert.ok(starts > 20 * seeds, `only ${starts} handlers were started: the simulation tests nothing`)
})

test('a seed replays exactly', async () => {
  const trace = await run({ SEED: '7' })
  assert.ok(trace.length > 1_000)
  assert.equal(await run({ SEED: '7' }), trace)
})
