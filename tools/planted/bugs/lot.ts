/** Bugs planted in the parking lot and among dead letters. */
import type { PlantedBug } from '../bug.ts'

const parkingLot = 'packages/embedded/src/lot/parking-lot.test.ts'
const parks = 'conformance :: park: the lane is parked from the dead letter on'

export const lotBugs: readonly PlantedBug[] = [
  {
    bug: 'a dead letter does not park its lane',
    file: 'packages/embedded/src/lot/dead-letter.ts',
    find: "UPDATE lot_lane SET state = 'parked', due_at_ms = 0",
    replace: "UPDATE lot_lane SET state = 'suspended', due_at_ms = 0",
    caughtBy: [parks, 'conformance :: dead again after a redrive'],
  },
  {
    bug: 'a lane is parked out of order',
    file: 'packages/embedded/src/lot/lot-rows.ts',
    find: 'seq + 1 + i',
    replace: 'seq + deliveries.length - i',
    caughtBy: ['conformance :: suspend: moved in order'],
  },
  {
    bug: 'a dead letter without the settlement of its original in the lot',
    file: 'packages/embedded/src/group/atomic-settlement.ts',
    find: 'for (const delivery of lot) removeLotEntry(db, delivery.row)',
    replace: '',
    caughtBy: ['conformance :: dead again after a redrive'],
  },
  {
    bug: 'a dead letter without the settlement of its original in the log',
    file: 'packages/embedded/src/group/atomic-settlement.ts',
    find: 'delivery.owner.settle(delivery)\n          settled.push(delivery)',
    replace: 'delivery.owner.settle(delivery)\n          delivery.owner.unsettle(delivery)',
    caughtBy: ['conformance :: park: the lane is parked from the dead letter on', 'conformance :: a dead letter keeps the bytes'],
  },
  {
    bug: 'what is redriven goes to the end of its lane',
    file: 'packages/embedded/src/administration/dead-letters.ts',
    find: 'next === undefined || next.seq === null ? lastSeq(db, lane) + 1 : makeRoom(db, lane, next.seq)',
    replace: 'lastSeq(db, lane) + 1',
    caughtBy: [parks],
  },
  {
    bug: 'a second redrive is no news to the owner',
    file: 'packages/embedded/src/administration/dead-letters.ts',
    find: "state = 'suspended', due_at_ms = 0, news = (SELECT commit_seq FROM state) WHERE",
    replace: "state = 'suspended', due_at_ms = 0 WHERE",
    caughtBy: [parkingLot],
  },
  {
    bug: 'attempts are not recorded',
    file: 'packages/embedded/src/group/atomic-settlement.ts',
    find: 'delivery.position,\n              attempt,\n              delivery.deliveries + 1,',
    replace: 'delivery.position,\n              0,\n              delivery.deliveries + 1,',
    caughtBy: ['conformance :: attempts, back-off and note survive a restart'],
  },
  {
    bug: 'back-off is forgotten at a hand-over',
    file: 'packages/embedded/src/group/log-delivery.ts',
    find: 'return this.record?.not_before_ms ?? 0',
    replace: 'return 0',
    caughtBy: ['conformance :: attempts, back-off and note survive a restart'],
  },
  {
    bug: 'what was read from the lot and released never comes again',
    file: 'packages/embedded/src/group/settlement.ts',
    find: "delivery.state = 'void'\n        delivery.owner.lotReads.delete(delivery.row.id)",
    replace: "delivery.state = 'void'",
    caughtBy: ['conformance :: released from the lot: readable again'],
  },
  {
    bug: 'a parked lane is read',
    file: 'packages/embedded/src/lot/parking-lot.ts',
    find: "if (intact(row).state === 'parked') return undefined",
    replace: '',
    caughtBy: [parks],
  },
]
