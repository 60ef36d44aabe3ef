/** Power cuts must show what a kill -9 cannot: each of these bugs is planted in the recorded processes, not in the judge. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CampaignResult, runSeed } from '../src/power-cut/campaign.ts'

const skip = spawnSync('strace', ['-f', 'true']).status === 0 ? false : 'needs strace'
const plant = new URL('../../../tools/planted/plant.ts', import.meta.url).href

const bugs = [
  'the sync is left out',
  'the sync is of the wrong file',
  'a publish is acknowledged before the sync',
  'a sync acknowledges what was committed after it began',
  'the doorbell is rung before the sync',
  'what is committed and not synced is delivered',
  'checkpoints do not sync',
  'a settlement is acknowledged at its commit',
]

async function cuts(seed: number, bug: string | undefined): Promise<CampaignResult> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-power-cut-'))
  const environment = bug === undefined ? {} : { SLUICE_PLANTED: bug, NODE_OPTIONS: `--import=${plant}` }
  try {
    return await runSeed({ seed, images: 200, folder, first: true, fault: 'none', environment })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

for (const bug of bugs) {
  test(`power cuts catch: ${bug}`, { skip, timeout: 300_000 }, async (t) => {
    let images = 0
    // A bug that shows only in a small window is given several runs.
    for (let seed = 1; seed <= 6; seed++) {
      const result = await cuts(seed, bug)
      images += result.images
      if (result.bad.length === 0) continue
      t.diagnostic(`seed ${seed}, image ${images}: ${result.bad[0]?.findings[0]}`)
      return
    }
    assert.fail(`${images} images of 6 runs show nothing`)
  })
}
