export { ChangeListeners } from './listeners.ts'
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
