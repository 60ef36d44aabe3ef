/**
 * Plants a bug while its file is loaded: `SLUICE_PLANTED='<bug>' node --import ./tools/planted/plant.ts …`. Through
 * NODE_OPTIONS it reaches child processes and worker threads too. Sources on the disk stay as they are.
 * SLUICE_PLANTED_LOG: a file that gets a line whenever the damaged source was really loaded.
 */
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { type PlantedBug, planted } from './bug.ts'
import { bugs } from './bugs/index.ts'

const wanted = process.env['SLUICE_PLANTED']
if (wanted !== undefined) plant(wanted)

function plant(name: string): void {
  const bug: PlantedBug | undefined = bugs.find((one) => one.bug === name)
  if (bug === undefined) throw new Error(`no planted bug is called "${name}"`)
  const url = new URL(`../../${bug.file}`, import.meta.url).href
  registerHooks({
    load(loading, context, next) {
      const loaded = next(loading, context)
      // A test that loads a copy of its own adds a query.
      if (loading.split('?')[0] !== url) return loaded
      const log = process.env['SLUICE_PLANTED_LOG']
      if (log !== undefined) appendFileSync(log, `${bug.bug}\n`)
      return { ...loaded, source: planted(String(loaded.source), bug) }
    },
  })
}
