/** Bugs planted in what makes things durable: a kill -9 does not show them, only a power cut does. */
import type { PlantedBug } from '../bug.ts'

const powerCut = 'packages/conformance/test/power-cut-planted.slow.test.ts'

export const powerCutBugs: readonly PlantedBug[] = [
  {
    bug: 'the sync is left out',
    file: 'packages/embedded/src/commit/wal-sync.ts',
    find: '{ sync: fdatasync, syncNow: fdatasyncSync }',
    replace: '{ sync: (_, done) => void setImmediate(done, null, fdatasync), syncNow: () => void fdatasyncSync }',
    caughtBy: [powerCut],
  },
  {
    bug: 'the sync is of the wrong file',
    file: 'packages/embedded/src/commit/wal-sync.ts',
    find: '}-wal`',
    replace: '}-bell`',
    caughtBy: [powerCut],
  },
  {
    bug: 'the doorbell is rung before the sync',
    file: 'packages/embedded/src/bus-file.ts',
    find: 'committed: () => this.checkpointer.committed(),',
    replace: 'committed: () => {\n        this.#doorbell.ring(this.committedSeq())\n        this.checkpointer.committed()\n      },',
    caughtBy: [powerCut],
  },
  {
    bug: 'checkpoints do not sync',
    file: 'packages/embedded/src/checkpoint/checkpoint-worker.ts',
    find: "db.exec('PRAGMA busy_timeout = 2000')",
    replace: "db.exec('PRAGMA busy_timeout = 2000; PRAGMA synchronous = OFF')",
    caughtBy: [powerCut],
  },
  {
    bug: 'a settlement is acknowledged at its commit',
    file: 'packages/embedded/src/group/settlement.ts',
    find: 'for (const one of waiting) if (one.committed) one.resolve()\n        if (',
    replace: 'for (const one of waiting) one.resolve()\n        if (',
    caughtBy: [powerCut],
  },
]
