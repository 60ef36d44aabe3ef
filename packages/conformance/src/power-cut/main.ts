/**
 * `node main.ts [--seed 1] [--runs 4] [--images 250] [--jobs 2] [--minutes 10] [--fault none|full|failing|lying|twice] [--only 17] [--folder …]`:
 * records runs and cuts their power. Ends with 1 when an image broke a promise, whose recording then stays in the folder;
 * `--trace <folder of the recording> --seed … --images … --only …` makes the same image of it again, and leaves it there.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Fault, runSeed } from './campaign.ts'
import { marksName } from './marks.ts'
import { type Cut, cutPower } from './power-cut.ts'
import { parseTrace } from './trace.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '4' },
    images: { type: 'string', default: '250' },
    jobs: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '60' },
    scale: { type: 'string', default: '1' },
    fault: { type: 'string' },
    only: { type: 'string' },
    trace: { type: 'string' },
    folder: { type: 'string', default: `${existsSync('/dev/shm') ? '/dev/shm' : tmpdir()}/sluice-power-cut-${process.pid}` },
    first: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const images = Number(values.images)

function show(bad: readonly Cut[]): void {
  for (const cut of bad.slice(0, 5)) {
    console.log(`BROKEN image ${cut.image}, power cut at line ${cut.at}, ${cut.manner} of ${cut.uncertain} uncertain changes survived`)
    for (const finding of cut.findings.slice(0, 5)) console.log(`  ${finding}`)
  }
}

async function one(): Promise<number> {
  const fault = values.fault === undefined ? {} : { fault: values.fault as Fault }
  const result = await runSeed({ seed, images, folder: values.folder, first: values.first, scale: Number(values.scale), ...fault })
  const { bad, ...figures } = result
  console.log(JSON.stringify({ ...figures, bad: bad.length }))
  show(bad)
  return bad.length === 0 ? 0 : 1
}

async function again(folder: string): Promise<number> {
  const { bus, text } = { bus: recordedFolder(folder), text: readFileSync(`${folder}/trace`, 'latin1') }
  const only = values.only === undefined ? {} : { only: Number(values.only), keep: true }
  const bad = await cutPower(parseTrace(text, bus, marksName), { seed, images, folder: values.folder, ...only })
  show(bad)
  return bad.length === 0 ? 0 : 1
}

/** The folder that the paths of a recording have, wherever the recording lies now. */
function recordedFolder(folder: string): string {
  return /"([^"]+)\/marks"/.exec(readFileSync(`${folder}/trace`, 'latin1'))?.[1] ?? `${folder}/bus`
}

/** Each seed in a process of its own, `jobs` at a time. */
async function many(): Promise<number> {
  const endMs = Date.now() + Number(values.minutes) * 60_000
  const total = { images: 0, seeds: 0, bad: 0, restarts: 0, promises: 0, failed: 0 }
  let next = seed
  const worker = async (): Promise<void> => {
    while (next < seed + Number(values.runs) && Date.now() < endMs) {
      const mine = next++
      const passed = [
        '--images',
        values.images,
        '--scale',
        values.scale,
        ...(values.fault === undefined ? [] : ['--fault', values.fault]),
        ...(values.first ? ['--first'] : []),
      ]
      const child = spawn(
        process.execPath,
        [fileURLToPath(import.meta.url), '--runs', '1', '--seed', String(mine), '--folder', `${values.folder}-${mine}`, ...passed],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      let said = ''
      child.stdout.on('data', (chunk) => {
        said += chunk
      })
      const code = await new Promise((resolve) => child.once('exit', resolve))
      const line = said.split('\n')[0] ?? ''
      total.seeds++
      if (line.startsWith('{')) {
        const figures = JSON.parse(line) as typeof total
        total.images += figures.images
        total.bad += figures.bad
        total.restarts += figures.restarts
        total.promises += figures.promises
      }
      if (code !== 0) total.failed++
      console.log(said.trimEnd())
    }
  }
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker))
  console.log(
    `${total.images} images of ${total.seeds} recorded runs (seeds ${seed} to ${next - 1}), ${total.promises} promises and intentions, ${total.restarts} restarts of the log: ` +
      `${total.bad} images broke a promise, ${total.failed} runs failed${total.bad === 0 && total.images > 0 ? `; bound 3/N = ${(3 / total.images).toExponential(1)}` : ''}`,
  )
  return total.failed === 0 ? 0 : 1
}

process.exit(values.trace !== undefined ? await again(values.trace) : await (values.runs === '1' ? one() : many()))
