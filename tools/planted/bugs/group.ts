/** Bugs planted where a group's partitions are owned, claimed and settled, and where leases expire. */
import type { PlantedBug } from '../bug.ts'

const ownership = 'packages/embedded/src/group/ownership.test.ts'
const expiry = 'packages/embedded/src/lease/expiry.test.ts'
const ownedPartition = 'packages/embedded/src/group/owned-partition.test.ts'

export const groupBugs: readonly PlantedBug[] = [
  {
    bug: 'the fence is forgotten when progress is written',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'WHERE group_id = ?5 AND modulus = ?6 AND residue = ?7 AND owner = ?8 AND epoch = ?9',
    replace: 'WHERE group_id = ?5 AND modulus = ?6 AND residue = ?7 AND ?8 = ?8 AND ?9 = ?9',
    caughtBy: [ownership],
  },
  {
    bug: 'a partition is taken from an owner that lives',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'AND residue = ?4 AND epoch = ?5 AND (owner IS NULL OR owner = ?1 OR owner NOT IN (SELECT id FROM member))',
    replace: 'AND residue = ?4 AND epoch = ?5',
    caughtBy: [ownership],
  },
  {
    bug: 'a partition is taken although it changed hands since it was looked at',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'AND residue = ?4 AND epoch = ?5 AND',
    replace: 'AND residue = ?4 AND ?5 = ?5 AND',
    caughtBy: [ownership],
  },
  {
    bug: 'a partition that is taken keeps its epoch',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'UPDATE partition SET owner = ?1, epoch = epoch + 1,',
    replace: 'UPDATE partition SET owner = ?1, epoch = epoch,',
    caughtBy: [ownership],
  },
  {
    bug: 'the cursor passes the first message that is not settled',
    file: 'packages/embedded/src/group/owned-partition.ts',
    find: 'const cursor = (entries[at] as HeldDelivery).position\n',
    replace: 'const cursor = (entries[at] as HeldDelivery).position + 1\n',
    caughtBy: [ownedPartition],
  },
  {
    bug: 'the cursor is lost',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'UPDATE partition SET cursor = ?1, done = ?2',
    replace: 'UPDATE partition SET cursor = min(cursor, ?1), done = ?2',
    caughtBy: ['conformance :: accept: never again'],
  },
  {
    bug: 'what an earlier owner finished beyond the cursor is forgotten',
    file: 'packages/embedded/src/group/owned-partition.ts',
    find: 'this.#skip = decodeRanges(row.done)',
    replace: 'this.#skip = []',
    caughtBy: [ownedPartition, 'conformance :: accepted out of order: exactly the others come again'],
  },
  {
    bug: 'what is done is counted once more by each job of a transaction',
    file: 'packages/embedded/src/group/owned-partition.ts',
    find: 'this.#doneDelta = 0\n    return delta',
    replace: 'return delta',
    caughtBy: [ownedPartition],
  },
  {
    bug: 'what an undone transaction counted is not counted again',
    file: 'packages/embedded/src/group/owned-partition.ts',
    find: 'this.#doneDelta += this.#writingDelta\n',
    replace: '',
    caughtBy: [ownedPartition],
  },
  {
    bug: 'a message is handed out before it is claimed',
    file: 'packages/embedded/src/group/consumer.ts',
    find: 'if (claimed) return deliveries',
    replace: 'return deliveries',
    caughtBy: ['processes :: a message that kills its process every time'],
  },
  {
    bug: 'what a dead member may have begun is not suspect',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'suspect_before = iif(owner IS NULL, suspect_before, max(suspect_before, claimed))',
    replace: 'suspect_before = suspect_before',
    caughtBy: [ownership, 'processes :: a message that kills its process every time'],
  },
  {
    bug: 'what was released comes again after what is newer',
    file: 'packages/embedded/src/group/settlement.ts',
    find: '(released[at - 1] as HeldDelivery).position > delivery.position) at--',
    replace: '(released[at - 1] as HeldDelivery).position < delivery.position) at--',
    caughtBy: ['conformance :: release: comes again, before what is newer'],
  },
  {
    bug: 'who is past its own deadline goes on handing out',
    file: 'packages/embedded/src/lease/process-lease.ts',
    find: 'return this.#id !== undefined && this.#nowMs() >= this.#deadlineMs',
    replace: 'return false',
    caughtBy: [expiry],
  },
  {
    bug: 'a process that died keeps its members',
    file: 'packages/embedded/src/lease/process-lease.ts',
    find: "for (const member of db.all<{ group_id: number }>('DELETE FROM member WHERE process_id = ? RETURNING group_id', id))",
    replace: "for (const member of db.all<{ group_id: number }>('SELECT group_id FROM member WHERE process_id = ?', id))",
    caughtBy: [expiry, 'processes :: kill -9 of consumers under load'],
  },
  {
    bug: 'a group that is paused still delivers',
    file: 'packages/embedded/src/group/consumer.ts',
    find: 'if (!member.paused && !member.lease.overdue) {',
    replace: 'if (!member.lease.overdue) {',
    caughtBy: ['conformance :: paused: nothing is delivered'],
  },
  {
    bug: 'a late acceptance is not reported as lost',
    file: 'packages/embedded/src/group/settlement.ts',
    find: 'if (late.length > 0) this.#reportLost(late, leaseLost())\n    this.#enqueue(',
    replace: 'this.#enqueue(',
    caughtBy: ['conformance :: a lost settlement is reported', 'conformance :: replay under a running consumer'],
  },
  {
    bug: 'a hand-over does not wait for the core to drain',
    file: 'packages/embedded/src/group/membership.ts',
    find: 'await this.#member.observer.revoking(partition.name).catch(() => undefined)',
    replace: 'void this.#member.observer.revoking(partition.name).catch(() => undefined)',
    caughtBy: ['conformance :: hand-over drains first'],
  },
  {
    bug: 'a split forgets what was done beyond the cursor',
    file: 'packages/embedded/src/group/ownership.ts',
    find: '      row.done,\n      half === 0',
    replace: "      '',\n      half === 0",
    caughtBy: ['packages/embedded/src/group/split.test.ts'],
  },
  {
    bug: 'a split counts what is done for both halves',
    file: 'packages/embedded/src/group/ownership.ts',
    find: 'half === 0 ? row.done_count : 0',
    replace: 'row.done_count',
    caughtBy: ['packages/embedded/src/group/split.test.ts'],
  },
  {
    bug: 'concurrency over the group is not bounded',
    file: 'packages/embedded/src/group/collect.ts',
    find: 'if (serial) partition.blocked = true\n      deliveries.push(delivery)',
    replace: 'deliveries.push(delivery)',
    caughtBy: ['conformance :: concurrency over the whole group is bounded'],
  },
]
