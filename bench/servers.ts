import { spawnSync } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { resolve } from 'node:path'
import { inFolder } from './folder.ts'

/** A server that runs: where it is, and what else is to be known of it (`tools/brokers`). */
export interface RunningServer {
  readonly url: string
  readonly extras: Readonly<Record<string, string>>
}

/** One command to tools/brokers, over a fleet of the benchmark's own. Returns what it says; throws why it cannot. */
function brokers(fleet: string, ...args: string[]): Readonly<Record<string, RunningServer>> {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['tools/brokers/main.ts', ...args, '--json'], {
    cwd: resolve(import.meta.dirname, '..'),
    encoding: 'utf8',
    env: { ...process.env, SLUICE_BROKERS: fleet },
  })
  if (status !== 0) throw new Error(stderr.trim())
  return JSON.parse(stdout)
}

/** Starts servers of their own for some work, and stops them whatever happens. Throws why one cannot start. */
export function withServers<T>(names: readonly string[], work: (running: Readonly<Record<string, RunningServer>>) => Promise<T>): Promise<T> {
  return inFolder(async (fleet) => {
    // PostgreSQL's own user must get there.
    await chmod(fleet, 0o711)
    const stop = (): never => {
      brokers(fleet, 'down')
      process.exit(1)
    }
    // Servers are no children that die with their parent.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
    try {
      return await work(brokers(fleet, 'up', ...names))
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
      brokers(fleet, 'down')
    }
  })
}
