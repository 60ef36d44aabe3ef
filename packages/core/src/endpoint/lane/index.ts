export { DueHeap } from './due-heap.ts'
export { LaneMachine } from './machine.ts'
export type { LaneCommand, LaneEntry, LaneRequest, Verdict } from './model.ts'
