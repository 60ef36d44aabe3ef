import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ConformanceOptions } from '@sluice/conformance'
import { transport } from '@sluice/embedded'

/** How the suite finds the embedded engine. */
export const fileOptions: ConformanceOptions = {
  name: 'file',
  transport,
  url: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-conformance-'))
    return { url: `file:${join(folder, 'bus.db')}`, dispose: () => rm(folder, { recursive: true, force: true }) }
  },
  // A lease that is short enough to wait for.
  options: { embedded: { leaseMs: 2_500 } },
  transaction: async (url) => {
    const transaction = new DatabaseSync(url.slice('file:'.length))
    transaction.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE')
    const end = (how: 'COMMIT' | 'ROLLBACK') => (): void => {
      transaction.exec(how)
      transaction.close()
    }
    return { transaction, commit: end('COMMIT'), rollback: end('ROLLBACK') }
  },
  member: { module: import.meta.resolve('@sluice/embedded'), export: 'transport' },
}
