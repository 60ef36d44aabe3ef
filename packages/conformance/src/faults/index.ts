export { faults } from './faults.ts'
export type { OwnServer } from './own-server.ts'
export { FaultProxy, type Weather } from './proxy.ts'
export { registerFaults } from './register.ts'
