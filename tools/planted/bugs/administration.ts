/** Bugs planted in retention and administration. */
import type { PlantedBug } from '../bug.ts'

const trim = 'packages/embedded/src/retention/trim.test.ts'

export const administrationBugs: readonly PlantedBug[] = [
  {
    bug: 'the log is trimmed below a slow group',
    file: 'packages/embedded/src/retention/trim.ts',
    find: ' || block.first + block.count > slowest) break',
    replace: ') break',
    caughtBy: [trim],
  },
  {
    bug: 'what is given up for a slow group is not counted',
    file: 'packages/embedded/src/retention/trim.ts',
    find: 'isDone(progress, block.first + index)) lost++',
    replace: 'isDone(progress, block.first + index)) lost += 0',
    caughtBy: [trim],
  },
  {
    bug: 'the backlog counts the message that was stored last',
    file: 'packages/embedded/src/administration/status.ts',
    find: 'return row.next_position - row.start_position - row.done',
    replace: 'return row.next_position + 1 - row.start_position - row.done',
    caughtBy: ['conformance :: backlog, oldest age and what is in flight'],
  },
  {
    bug: 'a replay brings everything from its beginning on',
    file: 'packages/embedded/src/group/progress.ts',
    find: 'keep(Math.max(low, to), high)',
    replace: '',
    caughtBy: ['packages/embedded/src/group/progress.test.ts'],
  },
  {
    bug: 'a replay does not fence the owner',
    file: 'packages/embedded/src/administration/move-group.ts',
    find: 'SET owner = NULL, epoch = epoch + 1, cursor = ?, done = ?, done_count = done_count - ?',
    replace: 'SET cursor = ?, done = ?, done_count = done_count - ?',
    caughtBy: ['conformance :: replay under a running consumer'],
  },
  {
    bug: 'a purge leaves the lot',
    file: 'packages/embedded/src/administration/move-group.ts',
    find: "db.run('DELETE FROM lot_lane WHERE group_id = ?', group.id)",
    replace: '',
    caughtBy: ['conformance :: purge drops the backlog and the lot'],
  },
  {
    bug: 'a group is removed under its consumers',
    file: 'packages/embedded/src/administration/move-group.ts',
    find: 'if (members > 0)',
    replace: 'if (members > 1_000)',
    caughtBy: ['conformance :: a group is forgotten only when nobody consumes it'],
  },
]
