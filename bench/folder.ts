import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Work in a folder of its own, which is removed whatever happens. `SLUICE_BENCH_DIR` names another disk than the temporary one. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(process.env['SLUICE_BENCH_DIR'] ?? tmpdir(), 'sluice-bench-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
