import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conformance } from '@sluice/conformance'
import { transport } from '@sluice/embedded'

conformance({
  name: 'file',
  transport,
  url: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-conformance-'))
    return { url: `file:${join(folder, 'bus.db')}`, dispose: () => rm(folder, { recursive: true, force: true }) }
  },
  // A lease that is short enough to wait for.
  options: { embedded: { leaseMs: 1_000 } },
  member: { module: import.meta.resolve('@sluice/embedded'), export: 'transport' },
})
