import { clusterFaults, conformance } from '@sluice/conformance'
import { kafkaOptions } from './kafka-options.ts'
import { ownServer } from './own-server.ts'

conformance({
  ...kafkaOptions,
  name: 'kafka, three nodes',
  parts: ['faults'],
  faults: clusterFaults,
  faultMessages: 20_000,
  server: () => ownServer('kafka-cluster'),
})
