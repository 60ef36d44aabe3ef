import { busSubjects, processSubjects, transportSubjects } from './cases/index.ts'
import { registerFaults } from './faults/index.ts'
import { type ConformanceOptions, register } from './suite/suite.ts'

export { type ChaosCounts, type ChaosOptions, chaosTransport, type Tampering, tamper } from './chaos/index.ts'
export { clusterFaults, type Fault, FaultProxy, type OwnServer, type Weather } from './faults/index.ts'
export type { ConformanceCase, Subject } from './suite/case.ts'
export { type BeginTransaction, type MessageSpec, message, numbered, type Place, Rig } from './suite/rig.ts'
export type { ConformanceOptions } from './suite/suite.ts'

/**
 * Registers, with node:test, every case that a transport must pass: call it at the top level of a test file.
 * What the transport's facts rule out is skipped by name with the reason, or proven to be refused.
 */
export function conformance(options: ConformanceOptions): void {
  const { parts = ['transport', 'bus', 'processes', 'faults'] } = options
  if (parts.includes('transport')) register(options, `${options.name}: transport`, transportSubjects)
  if (parts.includes('bus')) register(options, `${options.name}: bus`, busSubjects)
  if (parts.includes('processes')) register({ ...options, concurrency: options.concurrency ?? 1 }, `${options.name}: several processes`, processSubjects)
  if (parts.includes('faults')) registerFaults(options)
}
