export { DueHeap, type Waiting } from './due-heap.ts'
export { LaneMachine, type LaneMachineOptions } from './machine.ts'
export { type Lane, type LaneCommand, LaneEntry, type LaneRequest, type Verdict } from './model.ts'
export { type LaneKind, laneName, parseLaneName } from './name.ts'
