/** Bugs planted where a publish is confirmed: commit, sync, doorbell. */
import type { PlantedBug } from '../bug.ts'

const groupCommit = 'packages/embedded/src/commit/group-commit.test.ts'
const deliverSynced = 'packages/embedded/src/commit/deliver-synced.test.ts'
const syncedByItsCommit = 'packages/embedded/src/transaction/synced-by-its-commit.test.ts'

export const commitBugs: readonly PlantedBug[] = [
  {
    bug: 'a publish is acknowledged before the sync',
    file: 'packages/embedded/src/commit/writer.ts',
    find: 'this.#committed.push({ seq, job })',
    replace: 'job.synced?.()\n      this.#committed.push({ seq, job: { ...job, synced: () => undefined } })',
    caughtBy: [groupCommit],
  },
  {
    bug: 'a sync acknowledges what was committed after it began',
    file: 'packages/embedded/src/commit/wal-sync.ts',
    find: 'this.#finished(fd, seq, performance.now() - startMs, error)\n',
    replace: 'this.#finished(fd, this.#knownSeq, performance.now() - startMs, error)\n',
    caughtBy: [groupCommit],
  },
  {
    bug: 'after a failed sync publishing goes on',
    file: 'packages/embedded/src/commit/writer.ts',
    find: 'if (this.#sync.failure !== undefined) {',
    replace: 'if (this.#sync.failure !== undefined && this.#queue.length < 0) {',
    caughtBy: [groupCommit],
  },
  {
    bug: 'a failed sync confirms what waited for it',
    file: 'packages/embedded/src/commit/writer.ts',
    find: "for (const { job } of jobs) job.failed(error, 'unknown')",
    replace: 'for (const { job } of jobs) job.synced?.()',
    caughtBy: [groupCommit],
  },
  {
    bug: 'a failed sync is tried again and called success',
    file: 'packages/embedded/src/commit/wal-sync.ts',
    find: 'const failure = error ?? this.#moved(fd)',
    replace: 'const failure = this.#moved(fd)',
    caughtBy: [groupCommit],
  },
  {
    bug: 'what is committed and not synced is delivered',
    file: 'packages/embedded/src/group/collect.ts',
    find: 'if (!bus.isSynced(block.seq)) break',
    replace: '',
    caughtBy: [deliverSynced],
  },
  {
    bug: 'a doorbell that promises more than the file holds is believed',
    file: 'packages/embedded/src/doorbell/bell-file.ts',
    find: 'if (bell.syncedSeq > committedSeq)',
    replace: 'if (bell.syncedSeq < 0)',
    caughtBy: [deliverSynced],
  },
  {
    bug: 'a reader waits for ever for a writer that never rings',
    file: 'packages/embedded/src/bus-file.ts',
    find: 'if (seq > this.sync.syncedSeq) this.sync.request(false)',
    replace: 'if (seq > this.sync.syncedSeq) return',
    caughtBy: [deliverSynced],
  },
  {
    bug: 'any commit that follows a FULL transaction counts as synced by it',
    file: 'packages/embedded/src/transaction/lent-transaction.ts',
    find: 'return committed >= sent.last && dataVersion(db) === sent.dataVersion',
    replace: 'return committed >= sent.last',
    caughtBy: [syncedByItsCommit],
  },
  {
    bug: 'a transaction that is rolled back hides those before it',
    file: 'packages/embedded/src/transaction/lent-transaction.ts',
    find: 'if (sent.first <= committed) announced = true',
    replace: 'if (sent.last <= committed) announced = true',
    caughtBy: [syncedByItsCommit],
  },
  {
    bug: 'the doorbell is not rung',
    file: 'packages/embedded/src/bus-file.ts',
    find: 'this.#doorbell.ring(seq)',
    replace: '',
    caughtBy: ['processes :: a message wakes a consumer in another process at once'],
  },
]
