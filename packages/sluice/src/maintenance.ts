/** `sluice/maintenance`: looking after the file of a bus from code. The command line does the same. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BackupReport, type CheckReport, type CompactReport, SluiceError, type TransportMaintenance } from '@sluice/core/transport'
import { transportTable } from './transports.ts'

export type { BackupReport, CheckReport, CompactReport, FileUser, Finding } from '@sluice/core/transport'

/**
 * Reads a whole bus file and compares everything in it; changes nothing, and the bus may be in use. `where`: a path or a
 * `file:` URL. Resolves to what was found, also where that is bad (`sound: false`); rejects with STORE_NOT_A_BUS,
 * STORE_NEWER_FORMAT, STORE_BUSY and the like where it cannot look, with UNSUPPORTED for a transport without files of its own.
 *
 * Not in a process whose own bus uses another SQLite library (`connect({ sqlite })`): its locks on the file would be dropped.
 */
export async function check(where: string): Promise<CheckReport> {
  const { maintenance, url } = await maintenanceOf(where)
  return maintenance.check(url)
}

/**
 * Gives unused room back to the disk. Needs a moment in which no process has the file open, this one included; else nothing
 * is changed, and the report names who consumes from it (`compacted: false`, `usedBy`). Rejects with STORE_CORRUPT where
 * `check` finds something wrong, and as `check` does.
 */
export async function compact(where: string): Promise<CompactReport> {
  const { maintenance, url } = await maintenanceOf(where)
  return maintenance.compact(url)
}

/**
 * Writes a copy of a bus file that may be in use: of one moment, checked, and private (0600) before it has its name. `to`: a path
 * where nothing is yet. Rejects with INVALID_OPTION where something is, with STORE_CORRUPT where the copy is not sound, and as
 * `check` does.
 */
export async function backup(where: string, to: string): Promise<BackupReport> {
  const { maintenance, url } = await maintenanceOf(where)
  return maintenance.backup(url, to)
}

async function maintenanceOf(where: string): Promise<{ readonly maintenance: TransportMaintenance; readonly url: string }> {
  // A path; on Windows one may begin with a letter and a colon.
  const url = /^[a-z][a-z0-9+.-]+:/i.test(where) ? where : pathToFileURL(resolve(where)).href
  const scheme = url.slice(0, url.indexOf(':'))
  const factory = transportTable().find(({ schemes }) => schemes.includes(scheme))
  const maintenance = await factory?.maintenance?.()
  if (maintenance === undefined) throw new SluiceError('UNSUPPORTED', `${scheme}: keeps nothing in files of its own`, { fix: 'Use the tools of its server' })
  return { maintenance, url }
}
