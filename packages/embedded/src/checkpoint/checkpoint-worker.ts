/** The checkpointer's thread: the only place where a checkpoint waits for the disk or for a lock. */
import { parentPort, workerData } from 'node:worker_threads'
import { formatVersion } from '../file/format.ts'
import { configure, openWithNode } from '../file/open.ts'
import { Database } from '../sqlite/connection.ts'
import type { CheckpointResult } from './checkpointer.ts'

const { path } = workerData as { path: string }
const db = new Database(openWithNode(path))
configure(db)
db.exec('PRAGMA busy_timeout = 2000')

function checkpoint(kind: 'passive' | 'restart'): CheckpointResult {
  const row = db.one<{ busy: number; log: number; checkpointed: number }>(`PRAGMA wal_checkpoint(${kind})`)
  // The first commit after a restart writes and syncs the WAL's header: here, not on somebody's loop.
  if (kind === 'restart' && row.busy === 0) db.run(`UPDATE state SET checkpoints = checkpoints + 1 WHERE format = ${formatVersion}`)
  return { busy: row.busy !== 0, frames: row.log, moved: row.checkpointed }
}

parentPort?.on('message', (kind: 'passive' | 'restart' | 'close') => {
  if (kind === 'close') {
    db.close()
    parentPort?.close()
    return
  }
  let result: CheckpointResult | null = null
  try {
    result = checkpoint(kind)
  } catch {
    // Busy, full or failing: the loop finds out by its own commits; the next turn tries again.
  }
  parentPort?.postMessage(result)
})
