import type { FileUser } from '@sluice/core/transport'
import type { Database } from '../sqlite/connection.ts'
import { currentProcess, isCertainlyDead } from './machine.ts'

/** Processes that consume from the file and are alive, as far as this one can tell. */
export function usersOf(db: Database): FileUser[] {
  const self = currentProcess()
  try {
    return db
      .all<{ service: string; pid: number; pid_started: string; boot_id: string; pid_namespace: string }>(
        'SELECT service, pid, pid_started, boot_id, pid_namespace FROM process ORDER BY id',
      )
      .filter((row) => !isCertainlyDead({ bootId: row.boot_id, pidNamespace: row.pid_namespace, pid: row.pid, pidStarted: row.pid_started }, self))
      .map(({ service, pid }) => ({ service, pid }))
  } catch {
    // Another format, or locked: nobody can be named.
    return []
  }
}
