import type { TransportMaintenance } from '@sluice/core/transport'
import { pathOfUrl } from '../file/url.ts'
import { backupFile } from './backup.ts'
import { checkFile } from './check.ts'
import { compactFile } from './compact.ts'

/**
 * Check, compact and back up a bus file, in a process of its own or beside a bus that uses node:sqlite. Not in a process
 * whose bus uses another SQLite library: closing the file here would drop that one's locks.
 */
export const maintenance: TransportMaintenance = {
  check: (url) => checkFile(pathOfUrl(url)),
  compact: (url) => compactFile(pathOfUrl(url)),
  backup: (url, to) => backupFile(pathOfUrl(url), to),
}
