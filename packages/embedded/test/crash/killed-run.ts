/** A short workload in a process of its own, killed or failed at a system call by strace, and the judge of what it left. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bodies, joinGroup, openBus, take } from '../bus-file.ts'

const workload = fileURLToPath(new URL('./workload.ts', import.meta.url))
/** Why tests that need strace are left out, or false. */
export const skip: string | false = spawnSync('strace', ['-f', 'true']).status === 0 ? false : 'needs strace'
const count = 8

/** What the workload said. */
export interface Run {
  readonly sent: number[]
  readonly accepted: number[]
  readonly others: string[]
  readonly ended: boolean
  /** What the process said when it died of an error. */
  readonly told: string
}

/** Only calls on the bus's own files are injected into: the loader reads with `pread64`, too. */
export function run(path: string, inject: string): Run {
  const paths = ['', '-wal', '-shm', '-bell', '-journal'].flatMap((suffix) => ['-P', `${path}${suffix}`])
  const { stdout, stderr } = spawnSync(
    'strace',
    ['-f', '-qq', '-o', '/dev/null', ...(inject.includes('error=EIO') ? paths : []), '-e', `inject=${inject}`, process.execPath, workload, path, String(count)],
    {
      encoding: 'utf8',
      timeout: 30_000,
      // strace counts per thread: with one thread in the pool every sync has a number of its own.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    },
  )
  const lines = stdout.split('\n')
  const numbers = (word: string): number[] => lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.split(' ')[1]))
  return {
    sent: numbers('sent'),
    accepted: numbers('accepted'),
    others: lines.filter((line) => /^(failed|unknown) /.test(line)),
    ended: lines.includes('end'),
    told: stderr,
  }
}

/** What was confirmed is there, whole and in order; what was accepted does not come again; the file works on. */
export async function judge(path: string, { sent, accepted }: Run, name: string): Promise<void> {
  const bus = await openBus(path)
  const { messages } = await bus.admin.browse('c', { limit: 1000 })
  const stored = messages.map(({ body }) => Number(body))
  const ascending = [...new Set(stored)].sort((a, b) => a - b)
  assert.deepEqual(stored, ascending, `${name}: stored out of order or twice`)
  for (const n of sent) assert.ok(stored.includes(n), `${name}: ${n} was confirmed and is lost`)
  const [status] = await bus.admin.groups('c')
  const consumer = await joinGroup(bus)
  const again = bodies(await take(consumer, status?.backlog ?? 0)).map(Number)
  for (const n of accepted) assert.ok(!again.includes(n), `${name}: ${n} was accepted and comes again`)
  for (const n of stored)
    assert.ok(accepted.includes(n) || again.includes(n) || n < Math.max(-1, ...accepted) + 4, `${name}: ${n} is neither accepted nor delivered`)
  assert.deepEqual(
    again,
    [...again].sort((a, b) => a - b),
    `${name}: delivered out of order`,
  )
  await bus.close()
}

/** Kills the workload at the `when`-th such call of a thread, judges what it left, and says whether it ended before. */
export async function killAt(call: string, when: number): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-crash-'))
  try {
    const result = run(join(folder, 'bus.db'), `${call}:signal=SIGKILL:when=${when}`)
    await judge(join(folder, 'bus.db'), result, `${call} ${when}`)
    return result.ended
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
