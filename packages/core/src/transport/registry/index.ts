export { ChangeListeners } from './listeners.ts'
export {
  type KeptMessage,
  keepMessage,
  type RegisteredFiring,
  type RegisteredSchedule,
  restoreMessage,
  type ScheduleChange,
  ScheduleTable,
} from './schedules.ts'
export {
  announceTypes,
  doneIf,
  type RegisteredChannel,
  type RegisteredGroup,
  type RegistryOutcome,
  RegistryTables,
  type SharedRecord,
  settleOrder,
} from './tables.ts'
