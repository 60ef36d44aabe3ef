import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conformance } from '@sluice/conformance'
import { transport } from './index.ts'

conformance({
  name: 'folder',
  transport,
  url: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'folder-'))
    return { url: `folder:${folder}`, dispose: () => rm(folder, { recursive: true, force: true }) }
  },
})
