/** What the processes of a recorded run do, and when: `node script.ts <folder> <seed> <scale> [faults]`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '@sluice/core/testing'

const actorsPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './actors.ts' : './actors.js', import.meta.url))
const [folder = '', seed = '0', scale = '1', faults = ''] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const running = new Set<ChildProcess>()

function start(role: string, name: string, count: number): Promise<void> {
  const size = String(Math.ceil(count * Number(scale)))
  const child = spawn(process.execPath, [actorsPath, role, `${name}s${seed}`, folder, size], { stdio: ['ignore', 'ignore', 'inherit'] })
  running.add(child)
  return new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => {
      running.delete(child)
      // Where the disk fails, a process may end as it likes; what it was promised before is judged all the same.
      if (code === 0 || signal === 'SIGKILL' || faults !== '') resolve()
      else reject(new Error(`${role} ended with ${code ?? signal}`))
    })
  })
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

// Alone first, on most seeds: it creates the file and, when it closes, deletes the log, which the next ones make anew.
if (random() < 0.7) await start('send', 'first', 60)
const all = [start('send', 'batch', 600), start('publish', 'single', 400), start('take', 'take', 900)]
if (random() < 0.6) all.push(start('transact', 'lent', 150))
await sleep(random() * 500)
all.push(start('handle', 'handle', 500))
await sleep(random() * 800)
if (random() < 0.5) {
  // Killed in the middle: another takes over what it held.
  const victims = [...running]
  victims[Math.floor(random() * victims.length)]?.kill('SIGKILL')
}
all.push(start('take', 'taker', 500))
await Promise.all(all)
if (random() < 0.5) await start('publish', 'last', 40)
