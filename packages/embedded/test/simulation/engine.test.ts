import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// Several processes, each a real bus over the real engine, on one simulated machine: deaths at any statement, freezes, a full
// or failing disk, joins, leaves, splits, pauses, replays, redrives. Judged after each commit and with each handler's start.
// In a process of its own: the test runner's hooks on promises make it ten times as slow.

const replay = fileURLToPath(new URL('replay.ts', import.meta.url))
const seeds = 250

async function run(env: Readonly<Record<string, string>>): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, [replay], { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 })).stdout
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    throw new Error(`${output.slice(-2_000)}\nreplay: SEED=<seed> node packages/embedded/test/simulation/replay.ts`, { cause: error })
  }
}

test(`groups, leases and lots keep their promises: seeds 0 to ${seeds - 1}`, async () => {
  const output = await run({ SEEDS: String(seeds) })
  const figure = (name: string): number => Number(new RegExp(`(\\d+) ${name}`).exec(output)?.[1])
  for (const name of ['starts', 'commits', 'takeovers', 'deaths']) assert.ok(figure(name) > seeds, `only ${figure(name)} ${name}: the simulation tests nothing`)
})

test('a seed replays exactly', async () => {
  const trace = await run({ SEED: '7' })
  assert.ok(trace.length > 1_000)
  assert.equal(await run({ SEED: '7' }), trace)
})
