/** Bugs planted in sending: keys, duplicates, delays, schedules. */
import type { PlantedBug } from '../bug.ts'

const delay = 'conformance :: delay: not before it is due'

export const sendBugs: readonly PlantedBug[] = [
  {
    bug: 'a later message of a key is stored although an earlier one failed',
    file: 'packages/embedded/src/send/store-outgoing.ts',
    find: 'if (key !== undefined) failedHere.add(',
    replace: 'void (',
    caughtBy: ['conformance :: one bad entry: later ones of its key are not sent'],
  },
  {
    bug: 'the deduplication window is a millisecond too long',
    file: 'packages/embedded/src/send/store-outgoing.ts',
    find: 'WHERE channel_id = ? AND key = ? AND expires_at_ms > ?',
    replace: 'WHERE channel_id = ? AND key = ? AND expires_at_ms >= ?',
    caughtBy: ['packages/embedded/src/send/deduplication.test.ts'],
  },
  {
    bug: 'a duplicate is stored all the same',
    file: 'packages/embedded/src/send/store-outgoing.ts',
    find: 'if (known !== undefined) return known.message_id',
    replace: '',
    caughtBy: ['conformance :: deduplicate: the second within the window'],
  },
  {
    bug: 'a delayed message is moved and kept',
    file: 'packages/embedded/src/delay/delayed-rows.ts',
    find: "db.run('DELETE FROM delayed WHERE id IN (SELECT value FROM json_each(?))', JSON.stringify(whole))",
    replace: '',
    caughtBy: [delay],
  },
  {
    bug: 'delayed messages come in the order in which they were sent',
    file: 'packages/embedded/src/delay/delayed-rows.ts',
    find: 'WHERE due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?',
    replace: 'WHERE due_at_ms <= ? ORDER BY id LIMIT ?',
    caughtBy: ['packages/embedded/src/delay/due-order.test.ts'],
  },
  {
    bug: 'delayed messages come before their time',
    file: 'packages/embedded/src/delay/delayed-rows.ts',
    find: 'FROM delayed WHERE due_at_ms <= ? ORDER BY',
    replace: 'FROM delayed WHERE due_at_ms <= ? + 3600000 ORDER BY',
    caughtBy: [delay, 'packages/embedded/src/delay/due-order.test.ts'],
  },
  {
    bug: 'a damaged delayed message holds up all that are due',
    file: 'packages/embedded/src/delay/delayed-rows.ts',
    find: 'damaged.push(row.id)\n      continue',
    replace: "throw new Error('damaged')",
    caughtBy: ['packages/embedded/src/delay/damaged.test.ts'],
  },
  {
    bug: 'a schedule is fired by everybody who tries',
    file: 'packages/embedded/src/schedule/schedule-rows.ts',
    find: 'FROM schedule WHERE name = ? AND next_at_ms = ?',
    replace: 'FROM schedule WHERE name = ? AND ? > 0',
    caughtBy: ['conformance :: schedules: of many who fire one at once'],
  },
]
