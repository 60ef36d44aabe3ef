/** Shows one planted bug to one of its checks: runs the check with the damaged source. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../stages/process.ts'
import type { PlantedBug } from './bug.ts'
import { type Check, checkOf } from './checks.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const preload = new URL('plant.ts', import.meta.url).href

/** What came of it. */
export interface Shown {
  readonly bug: PlantedBug
  readonly check: Check
  /** `caught`: the check failed; `hung`: it did not end in time; `missed`: it passed; `not loaded`: it never ran the damaged file. */
  readonly outcome: 'caught' | 'hung' | 'missed' | 'not loaded'
  readonly durationMs: number
  readonly output: string
}

/** Runs the check over the sound source; its exit code. */
export async function runSound(check: Check, budgetMs: number): Promise<{ readonly code: number; readonly durationMs: number; readonly output: string }> {
  return run(process.execPath, check.command, { cwd: root, budgetMs, env: { NODE_TEST_CONTEXT: undefined, SLUICE_PLANTED: undefined } })
}

/** See the header of this file. */
export async function show(bug: PlantedBug, checkName: string, budgetMs: number): Promise<Shown> {
  const check = checkOf(checkName)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-planted-'))
  const log = join(folder, 'loaded')
  try {
    const { code, durationMs, output } = await run(process.execPath, check.command, {
      cwd: root,
      budgetMs,
      env: {
        NODE_TEST_CONTEXT: undefined,
        NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${preload}`.trim(),
        SLUICE_PLANTED: bug.bug,
        SLUICE_PLANTED_LOG: log,
      },
    })
    const outcome = !wasLoaded(log) ? 'not loaded' : code === 124 ? 'hung' : code === 0 ? 'missed' : 'caught'
    return { bug, check, outcome, durationMs, output }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function wasLoaded(log: string): boolean {
  try {
    return readFileSync(log, 'utf8').length > 0
  } catch {
    return false
  }
}
