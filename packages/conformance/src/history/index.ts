export { checkHistory } from './check.ts'
export type { HistoryEvent, HistoryOperation, HistoryScope, Invariant, Violation } from './event.ts'
export { contentHash, type HistoryEntry, HistoryRecorder, readHistory } from './recorder.ts'
