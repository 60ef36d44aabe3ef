import type { Benchmark } from '../benchmark.ts'
import { backlog } from './backlog.ts'
import { fourGroups } from './groups.ts'
import { keyedAsync } from './keyed-async.ts'
import { awaited, latency } from './latency.ts'
import { groupOfProcesses } from './processes.ts'
import { retries } from './retries.ts'
import { scheduled } from './scheduled.ts'
import { slowDisk } from './slow-disk.ts'
import { soak } from './soak.ts'
import { endToEnd, publishEach } from './throughput.ts'
import { transaction } from './transaction.ts'

/** The rows of the engine's own table, by the name that `npm run bench` takes. */
export const rowBenchmarks: Readonly<Record<string, Benchmark>> = {
  'end-to-end': endToEnd,
  'publish-each': publishEach,
  awaited,
  latency,
  groups: fourGroups,
  processes: groupOfProcesses,
  backlog,
  'slow-disk': slowDisk,
  'keyed-async': keyedAsync,
  transaction,
  scheduled,
  retries,
  soak,
}
