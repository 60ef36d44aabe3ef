/** Bugs planted in the file: what opening verifies, who may migrate, what a read believes. */
import type { PlantedBug } from '../bug.ts'

const wrongFiles = 'packages/embedded/test/damage/wrong-files.test.ts'
const steering = 'packages/embedded/test/damage/flipped-steering.test.ts'
const twoBuilds = 'packages/embedded/test/formats/two-builds.test.ts'

export const fileBugs: readonly PlantedBug[] = [
  {
    bug: 'a leftover log is opened without a read-only look',
    file: 'packages/embedded/src/file/open.ts',
    find: 'if (factory === openWithNode && !created) await retryWhileBusy(path, () => verifyBeforeUse(real))',
    replace: '',
    caughtBy: [`${wrongFiles} :: the -wal of another bus beside the file`],
  },
  {
    bug: 'the doorbell of another bus is believed',
    file: 'packages/embedded/src/doorbell/bell-file.ts',
    find: 'if (bell.busId !== undefined && bell.busId !== busId)',
    replace: 'if (bell.busId === "")',
    caughtBy: [`${wrongFiles} :: the -wal of a young bus, which has all of its pages and more commits`],
  },
  {
    bug: 'a bus file that is replaced while in use is not noticed',
    file: 'packages/embedded/src/commit/wal-sync.ts',
    find: "return this.fileReplaced() ? new Error('the bus file was replaced while in use') : null",
    replace: 'return null',
    caughtBy: [`${wrongFiles} :: another file in the place of one that is in use`],
  },
  {
    bug: 'done ranges are not verified',
    file: 'packages/embedded/src/group/progress.ts',
    find: 'if (at < 1 || text.slice(0, at) !== String(crc32(json)))',
    replace: 'if (at < 0)',
    caughtBy: [`${steering} :: a done range that another bit made longer`],
  },
  {
    bug: "a schedule's times are outside its checksum",
    file: 'packages/embedded/src/schedule/schedule-rows.ts',
    find: 'return placeOf(row.name, row.cron, row.time_zone, row.next_at_ms)',
    replace: 'return placeOf(row.name)',
    caughtBy: [`${steering} :: a schedule whose times were damaged does not fire`],
  },
  {
    bug: 'a write does not ask for the format of the file',
    file: 'packages/embedded/src/file/commit-number.ts',
    find: 'WHERE id = 1 AND format = $',
    replace: 'WHERE id = 1 AND 0 < $',
    caughtBy: [`${twoBuilds} :: a service whose file gets another format under it`],
  },
]
