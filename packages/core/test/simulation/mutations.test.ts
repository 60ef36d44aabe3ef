import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { mutations } from './mutations.ts'
import { type MachineClass, simulate } from './simulate.ts'

// The simulation has teeth: every planted bug is found. The bugs are planted in copies of the source, made here.

const seedsMax = 3_000
const laneFolder = new URL('../../src/endpoint/lane/', import.meta.url)

test(`${mutations.length} planted bugs of the lane machine are each found`, async () => {
  const source = await readFile(new URL('machine.ts', laneFolder), 'utf8')
  const folder = await mkdtemp(join(tmpdir(), 'sluice-mutations-'))
  try {
    const missed: string[] = []
    for (const [index, { bug, find, replace }] of mutations.entries()) {
      assert.equal(source.split(find).length, 2, `"${bug}": its text must occur exactly once in machine.ts`)
      // Imports of types vanish when the file is loaded; the others must find their way back.
      const mutated = source.replace(find, () => replace).replaceAll(/from '(\.\.?\/[^']+)'/g, (_, path: string) => `from '${new URL(path, laneFolder).href}'`)
      const file = join(folder, `machine-${index}.ts`)
      await writeFile(file, mutated)
      const { LaneMachine } = (await import(pathToFileURL(file).href)) as { LaneMachine: MachineClass }
      const found = firstFailing(LaneMachine)
      if (found === undefined) missed.push(bug)
      else if (process.env['SLUICE_SHOW_MUTATIONS'] !== undefined) process.stdout.write(`${bug}: seed ${found.seed}: ${found.violation}\n`)
    }
    assert.deepEqual(missed, [])
  } finally {
    await rm(folder, { recursive: true })
  }
})

function firstFailing(Machine: MachineClass): { readonly seed: number; readonly violation: string } | undefined {
  for (let seed = 0; seed < seedsMax; seed++) {
    try {
      const [violation] = simulate(seed, false, Machine).violations
      if (violation !== undefined) return { seed, violation }
    } catch (error) {
      return { seed, violation: String(error) }
    }
  }
  return undefined
}
