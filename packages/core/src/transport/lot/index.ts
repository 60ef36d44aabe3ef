export { type Attempts, attemptFields, attemptsOf } from './attempts.ts'
export { describeLane, emptyLane, LotLanes, type WaitingLane } from './lanes.ts'
export { isQueried, type QueriedLetter, queried } from './query.ts'
